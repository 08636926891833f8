import java.net.URI;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import lane.Lane;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.http.SdkHttpMethod;
import software.amazon.awssdk.http.SdkHttpRequest;
import software.amazon.awssdk.http.SdkHttpResponse;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;

/** Clients on the SDK's default settings, and what went over their wire. */
final class Clients {
  private Clients() {}

  static S3Client plain() {
    return plain(new Wire());
  }

  static S3Client plain(Wire wire) {
    return client("LANE_ENDPOINT", wire);
  }

  static S3Client secure(Wire wire) throws Exception {
    Lane.trustTheLane();
    return client("LANE_TLS_ENDPOINT", wire);
  }

  private static S3Client client(String endpoint, Wire wire) {
    return S3Client.builder()
        .endpointOverride(URI.create(Lane.env(endpoint)))
        .forcePathStyle(true)
        .region(Region.of(Lane.REGION))
        .credentialsProvider(credentials())
        .overrideConfiguration(options -> options.addExecutionInterceptor(wire))
        .build();
  }

  /** Uploads and downloads in parts by itself. */
  static S3AsyncClient inParts(Wire wire) {
    return S3AsyncClient.builder()
        .endpointOverride(URI.create(Lane.env("LANE_ENDPOINT")))
        .forcePathStyle(true)
        .region(Region.of(Lane.REGION))
        .credentialsProvider(credentials())
        .multipartEnabled(true)
        .multipartConfiguration(options -> options.minimumPartSizeInBytes(5L * Lane.MIB).thresholdInBytes(6L * Lane.MIB))
        .overrideConfiguration(options -> options.addExecutionInterceptor(wire))
        .build();
  }

  private static AwsCredentialsProvider credentials() {
    return StaticCredentialsProvider.create(
        AwsBasicCredentials.create(Lane.env("AWS_ACCESS_KEY_ID"), Lane.env("AWS_SECRET_ACCESS_KEY")));
  }

  /** Remembers requests and answers, by which a column shows that the SDK really did what it is here for. */
  static final class Wire implements ExecutionInterceptor {
    final List<SdkHttpRequest> requests = Collections.synchronizedList(new ArrayList<>());
    final List<SdkHttpResponse> answers = Collections.synchronizedList(new ArrayList<>());

    @Override
    public void beforeTransmission(Context.BeforeTransmission context, ExecutionAttributes attributes) {
      requests.add(context.httpRequest());
    }

    @Override
    public void afterTransmission(Context.AfterTransmission context, ExecutionAttributes attributes) {
      answers.add(context.httpResponse());
    }

    boolean sent(SdkHttpMethod method, String header, String value) {
      return requests.stream()
          .filter(request -> request.method() == method)
          .anyMatch(request -> request.firstMatchingHeader(header).filter(value::equals).isPresent());
    }

    boolean answered(String header) {
      return answers.stream().anyMatch(answer -> answer.firstMatchingHeader(header).isPresent());
    }
  }
}
