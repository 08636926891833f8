import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import lane.Lane;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.apache.hadoop.fs.s3a.S3AFileSystem;
import org.apache.hadoop.util.VersionInfo;

/**
 * Hadoop's S3A on its default settings: the ETag that it has of a LIST or HEAD goes as a condition with every GET and copy, a
 * directory is an empty object whose name ends in a slash, and a rename is copies and one bulk delete.
 */
public final class S3a {
  private S3a() {}

  public static void main(String[] arguments) {
    Map<String, Lane.Column> columns = new HashMap<>();
    columns.put("small", S3a::small);
    columns.put("empty", S3a::empty);
    columns.put("multipart", S3a::multipart);
    columns.put("range", S3a::ranges);
    columns.put("list", S3a::list);
    columns.put("copy", S3a::renames);
    columns.put("delete", S3a::deletes);
    columns.put("conditional", Conditions::conditional);
    columns.put("checksum", S3a::checksums);
    columns.put("special", Conditions::entityTags);
    Lane.main(VersionInfo.getVersion(), columns, arguments);
  }

  /** Options are pairs of a name and a value. */
  static S3AFileSystem open(String bucket, String... options) throws IOException {
    Configuration conf = new Configuration();
    conf.set("fs.s3a.endpoint", Lane.env("LANE_ENDPOINT"));
    conf.set("fs.s3a.endpoint.region", Lane.REGION);
    conf.setBoolean("fs.s3a.path.style.access", true);
    conf.set("fs.s3a.access.key", Lane.env("AWS_ACCESS_KEY_ID"));
    conf.set("fs.s3a.secret.key", Lane.env("AWS_SECRET_ACCESS_KEY"));
    conf.set("hadoop.tmp.dir", Lane.env("LANE_SCRATCH"));
    for (int index = 0; index < options.length; index += 2) {
      conf.set(options[index], options[index + 1]);
    }
    return (S3AFileSystem) FileSystem.newInstance(URI.create("s3a://" + bucket + "/"), conf);
  }

  static void write(FileSystem files, Path path, byte[] data) throws IOException {
    try (FSDataOutputStream out = files.create(path, true)) {
      out.write(data);
    }
  }

  static byte[] read(FileSystem files, Path path) throws IOException {
    try (FSDataInputStream in = files.open(path)) {
      return in.readAllBytes();
    }
  }

  private static void small(String bucket) throws Exception {
    try (S3AFileSystem files = open(bucket)) {
      for (int size : Lane.SIZES) {
        Path path = new Path("/small/with blank é+" + size);
        byte[] data = Lane.random(size);
        write(files, path, data);
        Lane.equal("size", files.getFileStatus(path).getLen(), (long) size);
        Lane.same("read of " + size, read(files, path), data);
      }
    }
  }

  /** A file without bytes, and directories, which are marked by empty objects. */
  private static void empty(String bucket) throws Exception {
    try (S3AFileSystem files = open(bucket)) {
      write(files, new Path("/empty"), new byte[0]);
      Lane.same("empty", read(files, new Path("/empty")), new byte[0]);
      Path directory = new Path("/a/b/c");
      files.mkdirs(directory);
      FileStatus status = files.getFileStatus(directory);
      Lane.equal("a directory", status.isDirectory(), true);
      Lane.equal("its parent is one", files.getFileStatus(directory.getParent()).isDirectory(), true);
      Lane.equal("files in it", files.listStatus(directory).length, 0);
      write(files, new Path(directory, "file"), Lane.random(3));
      Lane.equal("files in it after a write", files.listStatus(directory).length, 1);
      files.delete(new Path(directory, "file"), false);
      Lane.equal("a directory still", files.getFileStatus(directory).isDirectory(), true);
      Lane.equal("not empty, not removed", removed(files, new Path("/a")), false);
      files.delete(new Path("/a"), true);
      Lane.equal("gone", files.exists(directory), false);
    }
  }

  private static boolean removed(FileSystem files, Path path) {
    try {
      return files.delete(path, false);
    } catch (IOException notEmpty) {
      return false;
    }
  }

  /** Written in parts while it comes, and copied in parts by a rename. */
  private static void multipart(String bucket) throws Exception {
    try (S3AFileSystem files = open(bucket, "fs.s3a.multipart.size", "5M", "fs.s3a.multipart.threshold", "6M")) {
      byte[] data = Lane.random(17 * Lane.MIB + 1);
      Path path = new Path("/large");
      try (FSDataOutputStream out = files.create(path)) {
        for (int start = 0; start < data.length; start += 1_000_003) {
          out.write(data, start, Math.min(1_000_003, data.length - start));
        }
      }
      Lane.same("large", read(files, path), data);
      Lane.equal("renamed", files.rename(path, new Path("/moved")), true);
      Lane.same("moved", read(files, new Path("/moved")), data);
      java.nio.file.Path local = java.nio.file.Path.of(Lane.env("LANE_SCRATCH"), "local");
      Files.write(local, data);
      files.copyFromLocalFile(false, true, new Path(local.toUri()), new Path("/copied"));
      Lane.same("copied from a file", read(files, new Path("/copied")), data);
    }
  }

  /** Seeks, positioned reads and vectored ones: each is a Range with If-Match. */
  private static void ranges(String bucket) throws Exception {
    for (String stream : List.of("classic", "analytics", "prefetch")) {
      try (S3AFileSystem files = open(bucket, "fs.s3a.input.stream.type", stream)) {
        byte[] data = Lane.random(3 * Lane.MIB + 7);
        Path path = new Path("/" + stream);
        write(files, path, data);
        try (FSDataInputStream in = files.open(path)) {
          int[][] all = {{data.length - 9, 9}, {65_535, 3}, {0, 1}, {Lane.MIB - 1, 70_000}};
          for (int[] one : all) {
            byte[] got = new byte[one[1]];
            in.readFully(one[0], got);
            Lane.same(stream + ", at " + one[0], got, Arrays.copyOfRange(data, one[0], one[0] + one[1]));
          }
          in.seek(2 * Lane.MIB);
          byte[] rest = new byte[100];
          in.readFully(rest);
          Lane.same(stream + ", after a seek", rest, Arrays.copyOfRange(data, 2 * Lane.MIB, 2 * Lane.MIB + 100));
          vectored(stream, in, data);
        }
        Lane.equal("reads behind the end", readBehindTheEnd(files, path, data.length), -1);
      }
    }
  }

  private static void vectored(String stream, FSDataInputStream in, byte[] data) throws Exception {
    var wanted = List.of(
        org.apache.hadoop.fs.FileRange.createFileRange(10, 100),
        org.apache.hadoop.fs.FileRange.createFileRange(Lane.MIB, 65_537),
        org.apache.hadoop.fs.FileRange.createFileRange(data.length - 5, 5));
    in.readVectored(wanted, ByteBuffer::allocate);
    for (var range : wanted) {
      ByteBuffer got = range.getData().get();
      byte[] bytes = new byte[got.remaining()];
      got.get(bytes);
      int start = (int) range.getOffset();
      Lane.same(stream + ", vectored at " + start, bytes, Arrays.copyOfRange(data, start, start + range.getLength()));
    }
  }

  private static int readBehindTheEnd(FileSystem files, Path path, int length) throws IOException {
    try (FSDataInputStream in = files.open(path)) {
      return in.read(length, new byte[1], 0, 1);
    }
  }

  /** Page by page, flat and by directories. */
  private static void list(String bucket) throws Exception {
    for (String version : List.of("2", "1")) {
      try (S3AFileSystem files = open(bucket, "fs.s3a.list.version", version, "fs.s3a.paging.maximum", "7")) {
        Path root = new Path("/v" + version);
        Map<String, Long> want = new TreeMap<>();
        for (int index = 0; index < 30; index++) {
          Path path = new Path(root, "d " + index % 4 + "/ü+&<" + index);
          write(files, path, Lane.random(index));
          want.put(path.toUri().getPath(), (long) index);
        }
        Lane.equal("all below it, V" + version, below(files, root), want);
        Set<String> directories = new TreeSet<>();
        for (FileStatus one : files.listStatus(root)) {
          Lane.equal(one.getPath() + " is a directory", one.isDirectory(), true);
          directories.add(one.getPath().getName());
        }
        Lane.equal("directories, V" + version, directories, Set.of("d 0", "d 1", "d 2", "d 3"));
        Lane.equal("by a pattern, V" + version, files.globStatus(new Path(root, "d [01]/*1*")).length, 6);
      }
    }
  }

  static Map<String, Long> below(FileSystem files, Path root) throws IOException {
    Map<String, Long> got = new TreeMap<>();
    RemoteIterator<? extends FileStatus> found = files.listFiles(root, true);
    while (found.hasNext()) {
      FileStatus one = found.next();
      got.put(one.getPath().toUri().getPath(), one.getLen());
    }
    return got;
  }

  /** A tree with an empty directory in it to another name: copies under the ETags of the LIST, and bulk deletes. */
  private static void renames(String bucket) throws Exception {
    try (S3AFileSystem files = open(bucket, "fs.s3a.bulk.delete.page.size", "10")) {
      Map<String, byte[]> tree = new TreeMap<>();
      for (int index = 0; index < 45; index++) {
        tree.put("d" + index % 5 + "/ä +" + index, Lane.random(index * 1000));
      }
      for (Map.Entry<String, byte[]> one : tree.entrySet()) {
        write(files, new Path("/from/" + one.getKey()), one.getValue());
      }
      files.mkdirs(new Path("/from/nothing in it"));
      Lane.equal("renamed", files.rename(new Path("/from"), new Path("/to")), true);
      Lane.equal("the old name", files.exists(new Path("/from")), false);
      Lane.equal("an empty directory", files.getFileStatus(new Path("/to/nothing in it")).isDirectory(), true);
      Lane.equal("files", below(files, new Path("/to")).size(), tree.size());
      for (Map.Entry<String, byte[]> one : tree.entrySet()) {
        Lane.same(one.getKey(), read(files, new Path("/to/" + one.getKey())), one.getValue());
      }
      write(files, new Path("/one/file"), Lane.random(5));
      Lane.equal("a file into a directory", files.rename(new Path("/one/file"), new Path("/to")), true);
      Lane.equal("its place", files.exists(new Path("/to/file")), true);
    }
  }

  /** A tree, of more than one request; and chosen files by the interface for bulk deletes. */
  private static void deletes(String bucket) throws Exception {
    try (S3AFileSystem files = open(bucket, "fs.s3a.bulk.delete.page.size", "20")) {
      Path root = new Path("/tree");
      List<Path> chosen = new ArrayList<>();
      for (int index = 0; index < 50; index++) {
        Path path = files.makeQualified(new Path(root, "d" + index % 3 + "/+ %20&" + index));
        write(files, path, Lane.random(3));
        if (index < 10) {
          chosen.add(path);
        }
      }
      chosen.add(files.makeQualified(new Path(root, "never there")));
      try (var bulk = files.createBulkDelete(root)) {
        Lane.equal("page", bulk.pageSize(), 20);
        Lane.equal("not deleted", bulk.bulkDelete(chosen).size(), 0);
      }
      Lane.equal("left of the chosen", below(files, root).size(), 40);
      Lane.equal("deleted", files.delete(root, true), true);
      Lane.equal("left", files.exists(root), false);
    }
  }

  /** With each algorithm that it can send along, with Content-MD5, and checked on the way back. */
  private static void checksums(String bucket) throws Exception {
    for (String algorithm : List.of("CRC32", "CRC32C", "SHA1", "SHA256")) {
      roundTrip(bucket, algorithm, "fs.s3a.create.checksum.algorithm", algorithm, "fs.s3a.checksum.validation", "true");
    }
    roundTrip(bucket, "by default of the SDK", "fs.s3a.checksum.generation", "true", "fs.s3a.checksum.validation", "true");
    roundTrip(bucket, "MD5", "fs.s3a.request.md5.header", "true");
  }

  private static void roundTrip(String bucket, String what, String... options) throws Exception {
    String[] all = Arrays.copyOf(options, options.length + 4);
    System.arraycopy(new String[] {"fs.s3a.multipart.size", "5M", "fs.s3a.multipart.threshold", "6M"}, 0, all, options.length, 4);
    try (S3AFileSystem files = open(bucket, all)) {
      for (int size : new int[] {0, 70_000, 11 * Lane.MIB}) {
        byte[] data = Lane.random(size);
        Path path = new Path("/" + what + "/" + size);
        write(files, path, data);
        Lane.same(what + ", " + size, read(files, path), data);
      }
    }
  }
}
