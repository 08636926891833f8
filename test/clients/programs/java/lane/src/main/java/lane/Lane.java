package lane;

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/**
 * What the Java clients of the lane share: where the gateway is, which column to try, and how bytes are compared.
 *
 * <p>A client is called with a column, with LANE_ENDPOINT, LANE_BUCKET and the credentials in the environment. It ends with 0
 * if all of the column is as with Amazon S3, with 3 and a reason if it has asserted a known difference; otherwise it says why
 * not and ends with 1. With "version" it names the SDK.
 */
public final class Lane {
  public static final int MIB = 1 << 20;
  public static final String REGION = "us-east-1";

  /** Around the edges of segments, and of the chunks of 128 KiB that the SDKs sign. */
  public static final List<Integer> SIZES = List.of(1, 1000, 65535, 65536, 65537, 131071, 131072, 131073, 300_001);

  /** Names that S3 allows and that paths, queries and XML each write in another way. */
  public static final List<String> NAMES =
      List.of("with blank", "plus+plus", "per%cent%20", "ünïcödé-日本語-🔑", "a&b=c<d>", "quote'(1)\"", "a/b/c", "tail/");

  private static final SecureRandom RANDOM = new SecureRandom();

  private Lane() {}

  /** Thrown by a column that has asserted a known difference. */
  public static final class Differs extends RuntimeException {
    private static final long serialVersionUID = 1;

    public Differs(String reason) {
      super(reason);
    }
  }

  /** A column of the table, called with a fresh bucket. */
  public interface Column {
    void run(String bucket) throws Exception;
  }

  /** Something that a server has to refuse. */
  public interface Refused {
    void run() throws Exception;
  }

  public static void main(String version, Map<String, Column> columns, String[] arguments) {
    if (Arrays.equals(arguments, new String[] {"version"})) {
      System.out.println(version);
      return;
    }
    if (arguments.length != 1 || !columns.containsKey(arguments[0])) {
      System.err.println("expected a column, got " + Arrays.toString(arguments));
      System.exit(1);
    }
    try {
      columns.get(arguments[0]).run(env("LANE_BUCKET"));
    } catch (Differs difference) {
      System.out.println(difference.getMessage());
      System.exit(3);
    } catch (Throwable error) {
      error.printStackTrace();
      System.exit(1);
    }
    System.exit(0); // threads of a client's pool would keep the process for a while
  }

  public static String env(String name) {
    return Objects.requireNonNull(System.getenv(name), () -> "expected " + name + " in the environment");
  }

  public static byte[] random(int size) {
    byte[] data = new byte[size];
    RANDOM.nextBytes(data);
    return data;
  }

  public static void same(String what, byte[] got, byte[] want) {
    if (!Arrays.equals(got, want)) {
      throw new AssertionError(what + ": " + got.length + " bytes differ from the " + want.length + " expected");
    }
  }

  public static void equal(String what, Object got, Object want) {
    if (!Objects.equals(got, want)) {
      throw new AssertionError(what + ": got " + got + ", want " + want);
    }
  }

  /** Asserts that a request is refused with this code, which `code` reads off the exceptions of the SDK. */
  public static <E extends Exception> void refused(String what, String want, Class<E> type, Function<E, String> code, Refused request)
      throws Exception {
    try {
      request.run();
    } catch (Exception error) {
      if (!type.isInstance(error)) {
        throw error;
      }
      equal(what, code.apply(type.cast(error)), want);
      return;
    }
    throw new AssertionError(what + ": went through, expected " + want);
  }

  /** Has this process trust the lane's own certificate; it must come before the first connection by TLS. */
  public static void trustTheLane() throws Exception {
    Path file = Path.of(env("LANE_SCRATCH"), "trusted.p12");
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (InputStream pem = Files.newInputStream(Path.of(env("LANE_CA_FILE")))) {
      store.setCertificateEntry("lane", CertificateFactory.getInstance("X.509").generateCertificate(pem));
    }
    try (OutputStream out = Files.newOutputStream(file)) {
      store.store(out, "changeit".toCharArray());
    }
    System.setProperty("javax.net.ssl.trustStore", file.toString());
    System.setProperty("javax.net.ssl.trustStorePassword", "changeit");
  }
}
