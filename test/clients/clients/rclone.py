"""rclone: sync with hashes, ages in metadata, and uploads whose ETag it would like to be an MD5; Debian's is of the Go SDK v1, the newest of v2."""
from client import Client, Differs
from gateway import MIB, equal, same_bytes
from installs import BIN, apt, go, version_of

RELEASE = "v1.75.0"
NEWEST = BIN / f"rclone-{RELEASE}"


def flags(gateway, *more):
    """As docs/compatibility.md says to set it."""
    return ["--config", "/dev/null", "--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", gateway.endpoint,
            "--s3-region", gateway.region, "--s3-server-side-encryption", "aws:kms", *more]


def cells_of(rclone):
    def carried(gateway, size, *more, name="file"):
        """Up, compared by hash and by bytes, and down."""
        bucket = gateway.bucket()
        file = gateway.file(size, f"source/{name}")
        gateway.run(rclone, "copy", file.parent, f":s3:{bucket}/a", *flags(gateway, *more))
        gateway.run(rclone, "check", file.parent, f":s3:{bucket}/a", *flags(gateway))
        gateway.run(rclone, "check", "--download", file.parent, f":s3:{bucket}/a", *flags(gateway))
        gateway.run(rclone, "copy", f":s3:{bucket}/a", "out", *flags(gateway))
        same_bytes(file, gateway.scratch / "out" / name)
        head = gateway.s3.head_object(Bucket=bucket, Key=f"a/{name}")
        equal(head["ContentLength"], size, "size")
        return bucket, head

    def small(gateway):
        carried(gateway, 1000, name="with blank, ü and +.txt")

    def empty(gateway):
        """Once by PUT, and once from standard input as an upload of one empty part."""
        carried(gateway, 0)
        bucket = gateway.bucket()
        gateway.run(rclone, "rcat", f":s3:{bucket}/one", *flags(gateway, "--streaming-upload-cutoff", "0"), input="")
        equal(gateway.s3.head_object(Bucket=bucket, Key="one")["ContentLength"], 0, "size")

    def multipart(gateway):
        """201 MiB are above its own limit for one PUT."""
        _, head = carried(gateway, 201 * MIB)
        if "md5chksum" not in head["Metadata"]:
            raise AssertionError("rclone kept no MD5 of an upload by parts")
        carried(gateway, 11 * MIB, "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M")

    def ranged(gateway):
        bucket = gateway.bucket()
        file = gateway.file(300_000, "source/file")
        gateway.run(rclone, "copy", file.parent, f":s3:{bucket}", *flags(gateway))
        for offset, count in ((0, 1), (65_535, 2), (200_000, 70_000), (299_999, 1)):
            out = gateway.scratch / f"part-{offset}"
            gateway.run("sh", "-c", 'out=$1; shift; "$@" >"$out"', "sh", out, rclone, "cat", f":s3:{bucket}/file",
                        "--offset", offset, "--count", count, *flags(gateway))
            same_bytes(out, file.read_bytes()[offset : offset + count])

    def listed(gateway):
        """By the old list and by the new one; with sums nothing is sent twice."""
        for version in ("1", "2"):
            bucket = gateway.bucket()
            source = gateway.scratch / f"source{version}"
            for index in range(1105):
                gateway.file(index % 7, f"{source.name}/{index % 3}/ü {index}+%")
            more = flags(gateway, "--s3-list-version", version, "--transfers", "8", "--checkers", "8")
            gateway.run(rclone, "sync", source, f":s3:{bucket}", *more)
            equal(len(gateway.run(rclone, "lsf", "-R", "--files-only", f":s3:{bucket}", *more).splitlines()), 1105, "names listed")
            again = gateway.run(rclone, "sync", "--checksum", "-v", source, f":s3:{bucket}", *more)
            if "There was nothing to transfer" not in again:
                raise AssertionError(f"sent again: {again[-600:]}")

    def renamed(gateway):
        """A new age is a copy onto itself with other metadata; a move is a copy, above the limit by parts."""
        bucket = gateway.bucket()
        file = gateway.file(12 * MIB, "source/file")
        gateway.run(rclone, "copy", file.parent, f":s3:{bucket}", *flags(gateway))
        gateway.run(rclone, "touch", "-t", "2001-02-03T04:05:06", f":s3:{bucket}/file", *flags(gateway))
        if "2001-02-03 04:05:06" not in (line := gateway.run(rclone, "lsl", f":s3:{bucket}/file", *flags(gateway))):
            raise AssertionError(f"its age is not what was set: {line}")
        gateway.run(rclone, "moveto", f":s3:{bucket}/file", f":s3:{bucket}/moved", *flags(gateway, "--s3-copy-cutoff", "5M"))
        gateway.run(rclone, "copyto", f":s3:{bucket}/moved", "back", *flags(gateway))
        same_bytes(file, gateway.scratch / "back")
        equal([found["Key"] for found in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]], ["moved"], "keys")

    def removed(gateway):
        bucket = gateway.bucket()
        for index in range(30):
            gateway.file(10, f"source/{index}")
        gateway.run(rclone, "copy", "source", f":s3:{bucket}", *flags(gateway))
        gateway.run(rclone, "purge", f":s3:{bucket}", *flags(gateway))
        if bucket in gateway.run(rclone, "lsd", ":s3:", *flags(gateway)):
            raise AssertionError("the bucket is still there")

    def sums(gateway):
        """The MD5 of the plaintext is in its own metadata where it wants one, and is what `md5sum` shows."""
        bucket, head = carried(gateway, 11 * MIB, "--s3-upload-cutoff", "5M")
        shown = gateway.run(rclone, "md5sum", f":s3:{bucket}/a", *flags(gateway))
        if gateway.run("md5sum", gateway.scratch / "source/file").split()[0] != shown.split()[0]:
            raise AssertionError(f"md5sum shows {shown}")

    def other_provider(gateway):
        """Providers whose multipart ETags it takes for hashes of MD5s: without SSE-KMS this fails on AWS too."""
        bucket = gateway.bucket()
        gateway.file(11 * MIB, "source/file")
        gateway.must_fail("corrupted", rclone, "copy", "source", f":s3:{bucket}", "--config", "/dev/null", "--s3-provider", "Minio",
                          "--s3-env-auth", "--s3-endpoint", gateway.endpoint, "--s3-region", gateway.region,
                          "--s3-upload-cutoff", "5M", "--retries", "1", "--low-level-retries", "1")
        return Differs("with `provider = Minio` and no `server_side_encryption` uploads by parts fail as corrupted, as on AWS with SSE-KMS.")

    return {"small": small, "empty": empty, "multipart": multipart, "range": ranged, "list": listed, "copy": renamed,
            "delete": removed, "checksum": sums, "special": other_provider}


def tree_of(rclone):
    def tree(gateway, carried):
        bucket = gateway.bucket()
        more = flags(gateway, "--transfers", "8", "--checkers", "16")
        out = gateway.scratch / "out"
        carried.step("sync", lambda: gateway.run(rclone, "sync", carried.source, f":s3:{bucket}", *more, timeout=1800))
        carried.step("check --download", lambda: gateway.run(rclone, "check", "--download", carried.source, f":s3:{bucket}", *more, timeout=1800))

        def back():
            gateway.run(rclone, "copy", f":s3:{bucket}", out, *more, timeout=1800)
            carried.must_equal(out)

        carried.step("copy back, compare", back)

    return tree


CLIENTS = [
    Client(
        "rclone (Debian)",
        version=lambda: version_of("rclone", "version"),
        install=lambda: apt("rclone"),
        cells=cells_of("rclone"),
        tree=tree_of("rclone"),
    ),
    Client(
        "rclone",
        version=lambda: version_of(NEWEST, "version"),
        install=lambda: go(f"github.com/rclone/rclone@{RELEASE}", "rclone") and None,
        cells=cells_of(NEWEST),
    ),
]
