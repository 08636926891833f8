import com.amazonaws.Request;
import com.amazonaws.Response;
import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.handlers.RequestHandler2;
import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3ClientBuilder;
import com.amazonaws.services.s3.model.AmazonS3Exception;
import com.amazonaws.services.s3.model.CompleteMultipartUploadRequest;
import com.amazonaws.services.s3.model.CopyObjectRequest;
import com.amazonaws.services.s3.model.DeleteObjectsRequest;
import com.amazonaws.services.s3.model.GetObjectRequest;
import com.amazonaws.services.s3.model.InitiateMultipartUploadRequest;
import com.amazonaws.services.s3.model.ListObjectsRequest;
import com.amazonaws.services.s3.model.ListObjectsV2Request;
import com.amazonaws.services.s3.model.ListObjectsV2Result;
import com.amazonaws.services.s3.model.ObjectListing;
import com.amazonaws.services.s3.model.ObjectMetadata;
import com.amazonaws.services.s3.model.PartETag;
import com.amazonaws.services.s3.model.PutObjectResult;
import com.amazonaws.services.s3.model.S3Object;
import com.amazonaws.services.s3.model.UploadPartRequest;
import com.amazonaws.services.s3.transfer.TransferManager;
import com.amazonaws.services.s3.transfer.TransferManagerBuilder;
import com.amazonaws.util.IOUtils;
import com.amazonaws.util.VersionInfoUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import lane.Lane;

/**
 * The AWS SDK for Java v1. It compares the MD5 of every write, every part and every read with the ETag, unless the ETag has a dash or
 * the answer names a key of SSE-KMS.
 */
public final class SdkV1 {
  private static final int PART = 5 * Lane.MIB;
  private static final List<String> HASHES = Collections.synchronizedList(new ArrayList<>());

  private SdkV1() {}

  public static void main(String[] arguments) {
    Map<String, Lane.Column> columns = new HashMap<>();
    columns.put("small", SdkV1::small);
    columns.put("empty", SdkV1::empty);
    columns.put("multipart", SdkV1::multipart);
    columns.put("range", SdkV1::ranges);
    columns.put("list", SdkV1::list);
    columns.put("copy", SdkV1::copies);
    columns.put("delete", SdkV1::deletes);
    columns.put("conditional", SdkV1::conditional);
    columns.put("checksum", SdkV1::checksums);
    columns.put("special", SdkV1::parts);
    Lane.main(VersionInfoUtils.getVersion(), columns, arguments);
  }

  private static AmazonS3 client() {
    BasicAWSCredentials credentials = new BasicAWSCredentials(Lane.env("AWS_ACCESS_KEY_ID"), Lane.env("AWS_SECRET_ACCESS_KEY"));
    return AmazonS3ClientBuilder.standard()
        .withEndpointConfiguration(new EndpointConfiguration(Lane.env("LANE_ENDPOINT"), Lane.REGION))
        .withPathStyleAccessEnabled(true)
        .withCredentials(new AWSStaticCredentialsProvider(credentials))
        .withRequestHandlers(new Framing())
        .build();
  }

  /** Remembers how bodies were framed. */
  private static final class Framing extends RequestHandler2 {
    @Override
    public void afterResponse(Request<?> request, Response<?> response) {
      HASHES.add(String.valueOf(request.getHeaders().get("x-amz-content-sha256")));
    }
  }

  private static PutObjectResult put(AmazonS3 s3, String bucket, String key, byte[] data) {
    ObjectMetadata metadata = new ObjectMetadata();
    metadata.setContentLength(data.length);
    metadata.addUserMetadata("lane", "value");
    return s3.putObject(bucket, key, new ByteArrayInputStream(data), metadata);
  }

  private static byte[] read(S3Object object) throws IOException {
    try (object) {
      return IOUtils.toByteArray(object.getObjectContent());
    }
  }

  private static byte[] get(AmazonS3 s3, String bucket, String key) throws IOException {
    return read(s3.getObject(bucket, key));
  }

  private static void refused(String what, String code, Lane.Refused request) throws Exception {
    Lane.refused(what, code, AmazonS3Exception.class, AmazonS3Exception::getErrorCode, request);
  }

  private static void small(String bucket) throws IOException {
    AmazonS3 s3 = client();
    for (int size : Lane.SIZES) {
      byte[] data = Lane.random(size);
      String etag = put(s3, bucket, "small", data).getETag();
      ObjectMetadata head = s3.getObjectMetadata(bucket, "small");
      Lane.equal("ETag of HEAD and PUT", head.getETag(), etag);
      Lane.equal("size", head.getContentLength(), (long) size);
      Lane.equal("metadata", head.getUserMetadata(), Map.of("lane", "value"));
      Lane.same("GET of " + size, get(s3, bucket, "small"), data);
    }
  }

  private static void empty(String bucket) throws IOException {
    AmazonS3 s3 = client();
    put(s3, bucket, "empty", new byte[0]);
    Lane.same("empty", get(s3, bucket, "empty"), new byte[0]);
  }

  /** By hand, where the MD5 of each part is compared, and by the SDK's manager. */
  private static void multipart(String bucket) throws Exception {
    AmazonS3 s3 = client();
    byte[] data = Lane.random(2 * PART + 12_345);
    byHand(s3, bucket, "by hand", data);
    Lane.same("by hand", get(s3, bucket, "by hand"), data);
    TransferManager manager = TransferManagerBuilder.standard()
        .withS3Client(s3).withMinimumUploadPartSize((long) PART).withMultipartUploadThreshold((long) PART).build();
    ObjectMetadata metadata = new ObjectMetadata();
    metadata.setContentLength(data.length);
    manager.upload(bucket, "managed", new ByteArrayInputStream(data), metadata).waitForCompletion();
    Lane.same("managed", get(s3, bucket, "managed"), data);
  }

  private static void byHand(AmazonS3 s3, String bucket, String key, byte[] data) {
    String id = s3.initiateMultipartUpload(new InitiateMultipartUploadRequest(bucket, key)).getUploadId();
    List<PartETag> parts = new ArrayList<>();
    for (int at = 0; at < data.length; at += PART) {
      int size = Math.min(PART, data.length - at);
      parts.add(s3.uploadPart(new UploadPartRequest()
          .withBucketName(bucket).withKey(key).withUploadId(id).withPartNumber(parts.size() + 1)
          .withInputStream(new ByteArrayInputStream(data, at, size)).withPartSize(size)).getPartETag());
    }
    s3.completeMultipartUpload(new CompleteMultipartUploadRequest(bucket, key, id, parts));
  }

  private static void ranges(String bucket) throws Exception {
    AmazonS3 s3 = client();
    byte[] data = Lane.random(3 * 65536 + 7);
    put(s3, bucket, "range", data);
    for (int[] one : new int[][] {{0, 1}, {65535, 65537}, {100, data.length}, {data.length - 70_000, data.length}}) {
      Lane.same("range", read(s3.getObject(new GetObjectRequest(bucket, "range").withRange(one[0], one[1] - 1))),
          Arrays.copyOfRange(data, one[0], one[1]));
    }
    refused("a range behind the end", "InvalidRange", () -> s3.getObject(new GetObjectRequest(bucket, "range").withRange(data.length)));
    refused("a key that is not there", "NoSuchKey", () -> s3.getObject(bucket, "missing"));
  }

  private static void list(String bucket) {
    AmazonS3 s3 = client();
    Map<String, Long> want = new HashMap<>();
    for (String name : Lane.NAMES) {
      int size = want.size() * 1000;
      put(s3, bucket, name, Lane.random(size));
      want.put(name, (long) size);
    }
    Map<String, Long> old = new HashMap<>();
    ObjectListing page = s3.listObjects(new ListObjectsRequest().withBucketName(bucket).withMaxKeys(3));
    while (true) {
      page.getObjectSummaries().forEach(object -> old.put(object.getKey(), object.getSize()));
      if (!page.isTruncated()) {
        break;
      }
      page = s3.listNextBatchOfObjects(page);
    }
    Lane.equal("LIST V1", old, want);
    Map<String, Long> newer = new HashMap<>();
    ListObjectsV2Request request = new ListObjectsV2Request().withBucketName(bucket).withMaxKeys(3);
    ListObjectsV2Result result;
    do {
      result = s3.listObjectsV2(request);
      result.getObjectSummaries().forEach(object -> newer.put(object.getKey(), object.getSize()));
      request.setContinuationToken(result.getNextContinuationToken());
    } while (result.isTruncated());
    Lane.equal("LIST V2", newer, want);
  }

  /** Where a condition does not hold, this SDK answers null. */
  private static void copies(String bucket) throws Exception {
    AmazonS3 s3 = client();
    byte[] data = Lane.random(200_000);
    String key = "source +é";
    String etag = put(s3, bucket, key, data).getETag();
    s3.copyObject(new CopyObjectRequest(bucket, key, bucket, "copy").withMatchingETagConstraint(etag));
    ObjectMetadata metadata = new ObjectMetadata();
    metadata.addUserMetadata("mtime", "now");
    s3.copyObject(new CopyObjectRequest(bucket, key, bucket, key).withNewObjectMetadata(metadata));
    Lane.equal("metadata", s3.getObjectMetadata(bucket, key).getUserMetadata(), Map.of("mtime", "now"));
    Lane.same("copy", get(s3, bucket, "copy"), data);
    Lane.same("itself", get(s3, bucket, key), data);
    Lane.equal("copy of another ETag",
        s3.copyObject(new CopyObjectRequest(bucket, key, bucket, "never").withMatchingETagConstraint("0".repeat(32))), null);
  }

  private static void deletes(String bucket) {
    AmazonS3 s3 = client();
    for (String name : Lane.NAMES) {
      put(s3, bucket, name, Lane.random(9));
    }
    String[] names = Lane.NAMES.toArray(new String[0]);
    Lane.equal("deleted", s3.deleteObjects(new DeleteObjectsRequest(bucket).withKeys(names)).getDeletedObjects().size(), names.length);
    Lane.equal("left", s3.listObjectsV2(bucket).getKeyCount(), 0);
  }

  private static void conditional(String bucket) throws Exception {
    AmazonS3 s3 = client();
    byte[] data = Lane.random(1000);
    String etag = put(s3, bucket, "lock", data).getETag();
    Lane.same("If-Match", read(s3.getObject(new GetObjectRequest(bucket, "lock").withMatchingETagConstraint(etag))), data);
    Lane.equal("If-Match of another", s3.getObject(new GetObjectRequest(bucket, "lock").withMatchingETagConstraint("0".repeat(32))), null);
    Lane.equal("If-None-Match", s3.getObject(new GetObjectRequest(bucket, "lock").withNonmatchingETagConstraint(etag)), null);
  }

  /** Signed chunks of 128 KiB, and an MD5 beside them that must be of the plaintext. */
  private static void checksums(String bucket) throws Exception {
    AmazonS3 s3 = client();
    for (int size : Lane.SIZES) {
      byte[] data = Lane.random(size);
      put(s3, bucket, "chunks", data);
      Lane.same("chunks of " + size, get(s3, bucket, "chunks"), data);
    }
    Lane.equal("signed chunks", HASHES.contains("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), true);
    ObjectMetadata wrong = new ObjectMetadata();
    wrong.setContentLength(9);
    wrong.setContentMD5("1B2M2Y8AsgTpgAmY7PhCfg==");
    refused("a wrong MD5", "BadDigest", () -> s3.putObject(bucket, "wrong", new ByteArrayInputStream(Lane.random(9)), wrong));
    Lane.equal("the object of a wrong MD5", s3.doesObjectExist(bucket, "wrong"), false);
  }

  private static void parts(String bucket) throws Exception {
    AmazonS3 s3 = client();
    byte[] data = Lane.random(2 * PART + 99);
    byHand(s3, bucket, "parts", data);
    for (int number = 1; number <= 3; number++) {
      S3Object part = s3.getObject(new GetObjectRequest(bucket, "parts").withPartNumber(number));
      Lane.equal("number of parts", part.getObjectMetadata().getPartCount(), 3);
      Lane.same("part " + number, read(part), Arrays.copyOfRange(data, (number - 1) * PART, Math.min(number * PART, data.length)));
    }
    put(s3, bucket, "single", data);
    Lane.same("part 1 of a single PUT", read(s3.getObject(new GetObjectRequest(bucket, "single").withPartNumber(1))), data);
  }
}
