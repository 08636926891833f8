import java.io.IOException;
import java.util.List;
import lane.Lane;
import org.apache.hadoop.fs.EtagSource;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.RemoteFileChangedException;
import org.apache.hadoop.fs.s3a.S3AFileSystem;
import software.amazon.awssdk.services.s3.model.S3Exception;

/** What S3A makes of ETags: writes under a condition, and files that changed under their reader. */
final class Conditions {
  private static final String PARTS = "fs.s3a.multipart.size";

  private Conditions() {}

  static void conditional(String bucket) throws Exception {
    try (S3AFileSystem files = S3a.open(bucket, PARTS, "5M", "fs.s3a.multipart.threshold", "6M")) {
      boolean partsToo = !Lane.env("LANE_STORE").equals("ceph");
      for (int size : partsToo ? List.of(1000, 6 * Lane.MIB) : List.of(1000)) {
        Path path = new Path("/lock-" + size);
        byte[] first = Lane.random(size);
        write(ifNew(files, path), first);
        refused("another to make it", () -> write(ifNew(files, path), Lane.random(size)));
        Lane.same("the first", S3a.read(files, path), first);
        String etag = etagOf(files.getFileStatus(path));
        byte[] second = Lane.random(size);
        write(ifUnchanged(files, path, etag), second);
        refused("by an old ETag", () -> write(ifUnchanged(files, path, etag), Lane.random(size)));
        Lane.same("the second", S3a.read(files, path), second);
      }
      refused("without overwriting", () -> files.create(new Path("/lock-1000"), false).close());
      if (!partsToo) {
        withoutParts(files);
      }
    }
  }

  /** This server ignores conditions of a Complete, so the gateway refuses them. */
  private static void withoutParts(FileSystem files) throws Exception {
    Path path = new Path("/large");
    try {
      write(ifNew(files, path), Lane.random(6 * Lane.MIB));
    } catch (IOException error) {
      Throwable cause = error;
      while (cause != null && !(cause instanceof S3Exception)) {
        cause = cause.getCause();
      }
      Lane.equal("the cause", cause instanceof S3Exception answer ? answer.awsErrorDetails().errorCode() : error, "NotImplemented");
      Lane.equal("the file", files.exists(path), false);
      throw new Lane.Differs("conditional creates of files in parts are refused (NotImplemented), since this server ignores the condition of a "
          + "CompleteMultipartUpload; of smaller files they pass.");
    }
    throw new AssertionError("a conditional create in parts went through, which this server does not keep");
  }

  private static FSDataOutputStreamBuilder<?, ?> ifNew(FileSystem files, Path path) throws IOException {
    FSDataOutputStreamBuilder<?, ?> builder = files.createFile(path);
    return builder.must("fs.option.create.conditional.overwrite", true);
  }

  private static FSDataOutputStreamBuilder<?, ?> ifUnchanged(FileSystem files, Path path, String etag) throws IOException {
    FSDataOutputStreamBuilder<?, ?> builder = files.createFile(path);
    return builder.overwrite(true).must("fs.option.create.conditional.overwrite.etag", etag);
  }

  private static void write(FSDataOutputStreamBuilder<?, ?> builder, byte[] data) throws IOException {
    try (FSDataOutputStream out = (FSDataOutputStream) builder.build()) {
      out.write(data);
    }
  }

  private static void refused(String what, Lane.Refused write) throws Exception {
    try {
      write.run();
    } catch (RemoteFileChangedException | FileAlreadyExistsException expected) {
      return;
    }
    throw new AssertionError(what + ": went through");
  }

  static String etagOf(FileStatus status) {
    return ((EtagSource) status).getEtag();
  }

  /** The ETag of LIST is that of HEAD and of GET, for every kind of object; and a change is seen. */
  static void entityTags(String bucket) throws Exception {
    try (S3AFileSystem files = S3a.open(bucket, PARTS, "5M", "fs.s3a.multipart.threshold", "6M", "fs.s3a.etag.checksum.enabled", "true",
        "fs.s3a.input.stream.type", "classic")) {
      for (int size : List.of(0, 1000, 300_001, 11 * Lane.MIB)) {
        sameEverywhere(files, new Path("/tags/" + size), Lane.random(size));
      }
      Path path = new Path("/changes");
      S3a.write(files, path, Lane.random(2 * Lane.MIB));
      FileStatus old = files.getFileStatus(path);
      try (FSDataInputStream in = open(files, path, old)) {
        in.read();
        S3a.write(files, path, Lane.random(2 * Lane.MIB));
        changed("while it was open", () -> in.readFully(2 * Lane.MIB - 10, new byte[10]));
      }
      try (FSDataInputStream in = open(files, path, old)) {
        changed("since it was listed", () -> in.read());
      }
    }
  }

  /** By a request for each piece that is read; other streams read ahead, or one request goes on through all of the file. */
  private static FSDataInputStream open(FileSystem files, Path path, FileStatus status) throws Exception {
    return files.openFile(path).opt("fs.option.openfile.read.policy", "random").withFileStatus(status).build().get();
  }

  private static void sameEverywhere(S3AFileSystem files, Path path, byte[] data) throws Exception {
    S3a.write(files, path, data);
    FileStatus head = files.getFileStatus(path);
    FileStatus listed = List.of(files.listStatus(path.getParent())).stream()
        .filter(one -> one.getPath().equals(files.makeQualified(path))).findFirst().orElseThrow();
    String etag = etagOf(head);
    Lane.equal("an ETag", etag != null && !etag.isEmpty(), true);
    Lane.equal("ETag of LIST and HEAD, " + path, etagOf(listed), etag);
    Lane.equal("size of LIST and HEAD, " + path, listed.getLen(), head.getLen());
    Lane.equal("ETag as checksum", files.getFileChecksum(path, Long.MAX_VALUE).toString().contains(etag.replace("\"", "")), true);
    for (FileStatus status : List.of(head, listed)) {
      try (FSDataInputStream in = files.openFile(path).withFileStatus(status).build().get()) {
        Lane.same("GET if it has the ETag, " + path, in.readAllBytes(), data);
      }
    }
  }

  private static void changed(String when, Lane.Refused read) throws Exception {
    try {
      read.run();
    } catch (RemoteFileChangedException expected) {
      return;
    }
    throw new AssertionError("a file that changed " + when + " was read");
  }
}
