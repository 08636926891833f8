import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import lane.Lane;
import software.amazon.awssdk.core.ResponseBytes;
import software.amazon.awssdk.core.async.AsyncRequestBody;
import software.amazon.awssdk.core.async.AsyncResponseTransformer;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;

/** Uploads and downloads in parts, by hand and by the asynchronous client. */
final class Parts {
  private static final int PART = 5 * Lane.MIB;
  private static final int SIZE = 2 * PART + 12_345;

  private Parts() {}

  static void multipart(String bucket) throws Exception {
    S3Client s3 = Clients.plain();
    byte[] data = Lane.random(SIZE);
    byHand(s3, bucket, "by hand", data);
    Lane.same("by hand", SdkV2.get(s3, bucket, "by hand"), data);
    try (S3AsyncClient many = Clients.inParts(new Clients.Wire())) {
      many.putObject(request -> request.bucket(bucket).key("in parts"), AsyncRequestBody.fromBytes(data)).join();
      many.putObject(request -> request.bucket(bucket).key("whole"), AsyncRequestBody.fromBytes(Arrays.copyOf(data, 1000))).join();
    }
    Lane.same("in parts", SdkV2.get(s3, bucket, "in parts"), data);
    Lane.same("whole", SdkV2.get(s3, bucket, "whole"), Arrays.copyOf(data, 1000));
  }

  private static void byHand(S3Client s3, String bucket, String key, byte[] data) {
    String id = s3.createMultipartUpload(request -> request.bucket(bucket).key(key)).uploadId();
    List<CompletedPart> parts = new ArrayList<>();
    for (int at = 0; at < data.length; at += PART) {
      int number = parts.size() + 1;
      byte[] part = Arrays.copyOfRange(data, at, Math.min(at + PART, data.length));
      String etag = s3.uploadPart(
          request -> request.bucket(bucket).key(key).uploadId(id).partNumber(number), RequestBody.fromBytes(part)).eTag();
      parts.add(CompletedPart.builder().partNumber(number).eTag(etag).build());
    }
    Lane.equal("ListParts", s3.listParts(request -> request.bucket(bucket).key(key).uploadId(id)).parts().size(), parts.size());
    s3.completeMultipartUpload(request -> request.bucket(bucket).key(key).uploadId(id).multipartUpload(upload -> upload.parts(parts)));
  }

  /** Parts by their numbers, also as the asynchronous client downloads them; and no MD5 behind a body. */
  static void special(String bucket) throws Exception {
    Clients.Wire wire = new Clients.Wire();
    S3Client s3 = Clients.plain(wire);
    byte[] data = Lane.random(SIZE);
    byHand(s3, bucket, "parts", data);
    SdkV2.put(s3, bucket, "single", Arrays.copyOf(data, 1000));
    for (int number = 1; number <= 3; number++) {
      int asked = number;
      ResponseBytes<GetObjectResponse> part = s3.getObjectAsBytes(request -> request.bucket(bucket).key("parts").partNumber(asked));
      Lane.equal("number of parts", part.response().partsCount(), 3);
      Lane.same("part " + number, part.asByteArray(), Arrays.copyOfRange(data, (number - 1) * PART, Math.min(number * PART, SIZE)));
    }
    Lane.same("part 1 of a single PUT",
        s3.getObjectAsBytes(request -> request.bucket(bucket).key("single").partNumber(1)).asByteArray(), Arrays.copyOf(data, 1000));
    try (S3AsyncClient many = Clients.inParts(wire)) {
      for (String key : List.of("parts", "single")) {
        byte[] got = many.getObject(request -> request.bucket(bucket).key(key), AsyncResponseTransformer.toBytes()).join().asByteArray();
        Lane.same(key, got, key.equals("parts") ? data : Arrays.copyOf(data, 1000));
      }
    }
    Lane.equal("x-amz-transfer-encoding answered", wire.answered("x-amz-transfer-encoding"), false);
  }
}
