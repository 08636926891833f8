import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import lane.Lane;
import software.amazon.awssdk.core.ResponseBytes;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.ChecksumMode;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.MetadataDirective;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.PutObjectResponse;
import software.amazon.awssdk.services.s3.model.S3Exception;

/** The AWS SDK for Java v2. Releases before 2.30 compare the ETag of a PUT with an MD5, unless the answer says SSE-KMS. */
public final class SdkV2 {
  private SdkV2() {}

  public static void main(String[] arguments) {
    Map<String, Lane.Column> columns = new HashMap<>();
    columns.put("small", SdkV2::small);
    columns.put("empty", SdkV2::empty);
    columns.put("multipart", Parts::multipart);
    columns.put("range", SdkV2::ranges);
    columns.put("list", SdkV2::list);
    columns.put("copy", SdkV2::copies);
    columns.put("delete", SdkV2::deletes);
    columns.put("conditional", SdkV2::conditional);
    columns.put("checksum", Checksums::checksums);
    columns.put("special", Parts::special);
    Lane.main(VersionInfo.SDK_VERSION, columns, arguments);
  }

  static PutObjectResponse put(S3Client s3, String bucket, String key, byte[] data) {
    return s3.putObject(request -> request.bucket(bucket).key(key), RequestBody.fromBytes(data));
  }

  static byte[] get(S3Client s3, String bucket, String key) {
    return s3.getObjectAsBytes(request -> request.bucket(bucket).key(key)).asByteArray();
  }

  static void refused(String what, String code, Lane.Refused request) throws Exception {
    Lane.refused(what, code, S3Exception.class, error -> error.awsErrorDetails().errorCode(), request);
  }

  private static void small(String bucket) {
    S3Client s3 = Clients.plain();
    for (int size : Lane.SIZES) {
      byte[] data = Lane.random(size);
      PutObjectResponse made = s3.putObject(
          request -> request.bucket(bucket).key("small").contentType("text/x-lane").metadata(Map.of("lane", "value")),
          RequestBody.fromBytes(data));
      HeadObjectResponse head = s3.headObject(request -> request.bucket(bucket).key("small"));
      Lane.equal("ETag of HEAD and PUT", head.eTag(), made.eTag());
      Lane.equal("size", head.contentLength(), (long) size);
      Lane.equal("type", head.contentType(), "text/x-lane");
      Lane.equal("metadata", head.metadata(), Map.of("lane", "value"));
      Lane.same("GET of " + size, get(s3, bucket, "small"), data);
    }
  }

  private static void empty(String bucket) {
    S3Client s3 = Clients.plain();
    s3.putObject(request -> request.bucket(bucket).key("empty"), RequestBody.empty());
    put(s3, bucket, "bytes", new byte[0]);
    Lane.same("empty", get(s3, bucket, "empty"), new byte[0]);
    Lane.same("bytes", get(s3, bucket, "bytes"), new byte[0]);
  }

  /** While checksums are asked for: an answer that named the whole object's would fail in the SDK. */
  private static void ranges(String bucket) throws Exception {
    S3Client s3 = Clients.plain();
    byte[] data = Lane.random(3 * 65536 + 7);
    put(s3, bucket, "range", data);
    int[][] all = {{0, 1}, {65535, 65537}, {100, data.length}, {data.length - 70_000, data.length}};
    for (int[] one : all) {
      ResponseBytes<GetObjectResponse> got = s3.getObjectAsBytes(request -> request
          .bucket(bucket).key("range").range("bytes=" + one[0] + "-" + (one[1] - 1)).checksumMode(ChecksumMode.ENABLED));
      Lane.equal("Content-Range", got.response().contentRange(), "bytes " + one[0] + "-" + (one[1] - 1) + "/" + data.length);
      Lane.same("range", got.asByteArray(), java.util.Arrays.copyOfRange(data, one[0], one[1]));
    }
    refused("a range behind the end", "InvalidRange",
        () -> s3.getObjectAsBytes(request -> request.bucket(bucket).key("range").range("bytes=" + data.length + "-")));
    refused("a key that is not there", "NoSuchKey", () -> get(s3, bucket, "missing"));
  }

  private static void list(String bucket) {
    S3Client s3 = Clients.plain();
    Map<String, Long> want = new HashMap<>();
    for (String name : Lane.NAMES) {
      int size = want.size() * 1000;
      put(s3, bucket, name, Lane.random(size));
      want.put(name, (long) size);
    }
    Map<String, Long> got = new HashMap<>();
    s3.listObjectsV2Paginator(request -> request.bucket(bucket).maxKeys(3))
        .contents().forEach(object -> got.put(object.key(), object.size()));
    Lane.equal("LIST V2", got, want);
    Map<String, Long> old = new HashMap<>();
    s3.listObjects(request -> request.bucket(bucket)).contents().forEach(object -> old.put(object.key(), object.size()));
    Lane.equal("LIST V1", old, want);
  }

  private static void copies(String bucket) throws Exception {
    S3Client s3 = Clients.plain();
    byte[] data = Lane.random(200_000);
    String key = "source +é";
    String etag = put(s3, bucket, key, data).eTag();
    s3.copyObject(request -> request
        .sourceBucket(bucket).sourceKey(key).destinationBucket(bucket).destinationKey("copy").copySourceIfMatch(etag));
    s3.copyObject(request -> request
        .sourceBucket(bucket).sourceKey(key).destinationBucket(bucket).destinationKey(key)
        .metadataDirective(MetadataDirective.REPLACE).metadata(Map.of("mtime", "now")));
    Lane.equal("metadata", s3.headObject(request -> request.bucket(bucket).key(key)).metadata(), Map.of("mtime", "now"));
    Lane.same("copy", get(s3, bucket, "copy"), data);
    Lane.same("itself", get(s3, bucket, key), data);
    refused("copy of another ETag", "PreconditionFailed", () -> s3.copyObject(request -> request
        .sourceBucket(bucket).sourceKey(key).destinationBucket(bucket).destinationKey("never").copySourceIfMatch("\"" + "0".repeat(32) + "\"")));
  }

  private static void deletes(String bucket) {
    S3Client s3 = Clients.plain();
    List<ObjectIdentifier> named = new ArrayList<>();
    for (String name : Lane.NAMES) {
      put(s3, bucket, name, Lane.random(9));
      named.add(ObjectIdentifier.builder().key(name).build());
    }
    named.add(ObjectIdentifier.builder().key("was never there").build());
    var gone = s3.deleteObjects(request -> request.bucket(bucket).delete(what -> what.objects(named)));
    Lane.equal("errors", gone.errors().size(), 0);
    Lane.equal("deleted", gone.deleted().size(), named.size());
    Lane.equal("left", s3.listObjectsV2(request -> request.bucket(bucket)).contents().size(), 0);
  }

  /** The conditions of writes are set as headers, which releases of every age can. */
  private static void conditional(String bucket) throws Exception {
    S3Client s3 = Clients.plain();
    String first = putIf(s3, bucket, "If-None-Match", "*");
    refused("PUT If-None-Match: *", "PreconditionFailed", () -> putIf(s3, bucket, "If-None-Match", "*"));
    String second = putIf(s3, bucket, "If-Match", first);
    String other = "\"" + "0".repeat(32) + "\"";
    refused("PUT If-Match of another", "PreconditionFailed", () -> putIf(s3, bucket, "If-Match", other));
    s3.getObjectAsBytes(request -> request.bucket(bucket).key("lock").ifMatch(second));
    refused("GET If-Match of another", "PreconditionFailed",
        () -> s3.getObjectAsBytes(request -> request.bucket(bucket).key("lock").ifMatch(other)));
    Lane.refused("GET If-None-Match", "304", S3Exception.class, error -> String.valueOf(error.statusCode()),
        () -> s3.getObjectAsBytes(request -> request.bucket(bucket).key("lock").ifNoneMatch(second)));
  }

  private static String putIf(S3Client s3, String bucket, String condition, String value) {
    return s3.putObject(
        request -> request.bucket(bucket).key("lock").overrideConfiguration(options -> options.putHeader(condition, value)),
        RequestBody.fromBytes(Lane.random(1000))).eTag();
  }
}
