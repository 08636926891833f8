import java.util.List;
import java.util.Set;
import lane.Lane;
import software.amazon.awssdk.core.ResponseBytes;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.http.SdkHttpMethod;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.ChecksumAlgorithm;
import software.amazon.awssdk.services.s3.model.ChecksumMode;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.S3Exception;

/** By plain HTTP bodies go in signed chunks of 128 KiB, with the checksum in a signed trailer; by HTTPS they are not signed. */
final class Checksums {
  private static final String HASH = "x-amz-content-sha256";
  private static final Set<String> ALGORITHMS = Set.of("CRC32", "CRC32C", "SHA1", "SHA256");

  /** Of a sum of nothing: by which of the two calls it was got. */
  private static final Set<String> REFUSALS = Set.of("SignatureDoesNotMatch", "BadDigest");

  private Checksums() {}

  static void checksums(String bucket) throws Exception {
    Clients.Wire plain = new Clients.Wire();
    boolean differs = false;
    for (ChecksumAlgorithm algorithm : algorithms()) {
      if (signsAnotherSum(algorithm)) {
        Lane.refused(algorithm + " by plain HTTP", "refused", S3Exception.class,
            error -> REFUSALS.contains(error.awsErrorDetails().errorCode()) ? "refused" : error.getMessage(),
            () -> there(Clients.plain(plain), bucket, algorithm));
        differs = true;
      } else {
        there(Clients.plain(plain), bucket, algorithm);
      }
    }
    Lane.equal("signed chunks and trailer", plain.sent(SdkHttpMethod.PUT, HASH, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"), true);
    Clients.Wire secure = new Clients.Wire();
    for (ChecksumAlgorithm algorithm : algorithms()) {
      there(Clients.secure(secure), bucket, algorithm);
    }
    Lane.equal("unsigned chunks and trailer", secure.sent(SdkHttpMethod.PUT, HASH, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), true);
    wrong(Clients.plain(), bucket);
    if (differs) {
      throw new Lane.Differs("with SHA-1 or SHA-256 chosen as checksum, this release signs or sends that of nothing in the trailer over http, and is refused (SignatureDoesNotMatch, BadDigest); over https, and with CRC32 and CRC32C, it passes.");
    }
  }

  private static void there(S3Client s3, String bucket, ChecksumAlgorithm algorithm) {
    for (int size : Lane.SIZES) {
      byte[] data = Lane.random(size);
      s3.putObject(request -> request.bucket(bucket).key("sum").checksumAlgorithm(algorithm), RequestBody.fromBytes(data));
      ResponseBytes<GetObjectResponse> got = s3.getObjectAsBytes(
          request -> request.bucket(bucket).key("sum").checksumMode(ChecksumMode.ENABLED));
      Lane.same(algorithm + " of " + size, got.asByteArray(), data);
      String header = "x-amz-checksum-" + algorithm.toString().toLowerCase();
      Lane.equal(header, got.response().sdkHttpResponse().firstMatchingHeader(header).isPresent(), true);
    }
  }

  /** Those that the gateway checks and this release can make; CRC64NVME it leaves to the AWS Common Runtime. */
  private static List<ChecksumAlgorithm> algorithms() {
    return ChecksumAlgorithm.knownValues().stream().filter(algorithm -> ALGORITHMS.contains(algorithm.toString())).toList();
  }

  /** Before 2.30 the digest is asked twice, and is empty at the second time. */
  private static boolean signsAnotherSum(ChecksumAlgorithm algorithm) {
    boolean old = VersionInfo.SDK_VERSION.startsWith("2.2");
    return old && algorithm.toString().startsWith("SHA");
  }

  private static void wrong(S3Client s3, String bucket) throws Exception {
    SdkV2.refused("a wrong MD5", "BadDigest", () -> s3.putObject(
        request -> request.bucket(bucket).key("wrong").contentMD5("1B2M2Y8AsgTpgAmY7PhCfg=="), RequestBody.fromBytes(Lane.random(9))));
    SdkV2.refused("the object of a wrong MD5", "NoSuchKey", () -> SdkV2.get(s3, bucket, "wrong"));
  }
}
