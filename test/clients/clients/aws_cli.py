"""aws-cli: Debian's, from before default checksums, and today's of both lines."""
from client import Client
from gateway import MIB, equal, same_bytes
from installs import apt, venv, version_of


def today():
    return venv("aws-cli", "awscli==1.46.3") / "aws"


def cells_of(binary):
    def aws(gateway, *command, **env):
        return gateway.run(binary(), "--endpoint-url", gateway.endpoint, *command, **env)

    def carried(gateway, size, key="file"):
        bucket = gateway.bucket()
        file = gateway.file(size)
        aws(gateway, "s3", "cp", "--only-show-errors", file, f"s3://{bucket}/{key}")
        aws(gateway, "s3", "cp", "--only-show-errors", f"s3://{bucket}/{key}", "out")
        same_bytes(file, gateway.scratch / "out")
        equal(gateway.s3.head_object(Bucket=bucket, Key=key)["ContentLength"], size, "size")
        return bucket, file

    def small(gateway):
        for size in (1, 65_537):
            carried(gateway, size, f"with blank/ü+%/{size}")

    def empty(gateway):
        carried(gateway, 0)

    def multipart(gateway):
        carried(gateway, 20 * MIB + 1)

    def ranged(gateway):
        """Above 8 MiB it reads by ranges, with the ETag as a condition."""
        bucket, file = carried(gateway, 17 * MIB)
        etag = gateway.s3.head_object(Bucket=bucket, Key="file")["ETag"]
        for first, last in ((0, 0), (65_535, 65_536), (8 * MIB - 1, 8 * MIB), (17 * MIB - 10, 17 * MIB + 10)):
            aws(gateway, "s3api", "get-object", "--bucket", bucket, "--key", "file", "--range", f"bytes={first}-{last}", "--if-match", etag, "part")
            same_bytes(gateway.scratch / "part", file.read_bytes()[first : last + 1])
        gateway.must_fail(r"InvalidRange|416", binary(), "--endpoint-url", gateway.endpoint, "s3api", "get-object", "--bucket", bucket,
                          "--key", "file", "--range", f"bytes={17 * MIB}-", "part")

    def listed(gateway):
        bucket = gateway.bucket()
        for index in range(60):
            gateway.file(index % 9, f"source/{index % 3}/ü {index}+%")
        aws(gateway, "s3", "sync", "--only-show-errors", "source", f"s3://{bucket}/")
        equal(len(aws(gateway, "s3", "ls", "--recursive", "--page-size", "25", f"s3://{bucket}/").splitlines()), 60, "names listed")
        equal(aws(gateway, "s3", "sync", "--page-size", "25", "source", f"s3://{bucket}/"), "", "second sync up")
        aws(gateway, "s3", "sync", "--only-show-errors", f"s3://{bucket}/", "out")
        equal(gateway.run("diff", "-r", "source", "out"), "", "difference")
        # It leaves a file alone that has the size of its object and is not newer; what it got has the object's time.
        equal(aws(gateway, "s3", "sync", f"s3://{bucket}/", "out"), "", "second sync down")

    def copied(gateway):
        """By one copy, and by parts."""
        bucket, file = carried(gateway, 20 * MIB)
        for how in ({}, {"AWS_CONFIG_FILE": str(config(gateway))}):
            aws(gateway, "s3", "mv", "--only-show-errors", f"s3://{bucket}/file", f"s3://{bucket}/moved", **how)
            aws(gateway, "s3", "cp", "--only-show-errors", f"s3://{bucket}/moved", "back")
            same_bytes(file, gateway.scratch / "back")
            aws(gateway, "s3", "mv", "--only-show-errors", f"s3://{bucket}/moved", f"s3://{bucket}/file", **how)
        equal(aws(gateway, "s3", "ls", "--recursive", f"s3://{bucket}/").count("\n"), 1, "names")

    def config(gateway):
        path = gateway.scratch / "config"
        path.write_text("[default]\ns3 =\n  multipart_threshold = 5MB\n  multipart_chunksize = 5MB\n")
        return path

    def removed(gateway):
        bucket = gateway.bucket()
        for index in range(25):
            gateway.file(10, f"source/{index}")
        aws(gateway, "s3", "sync", "--only-show-errors", "source", f"s3://{bucket}/")
        keys = ",".join("{Key=%d}" % index for index in range(20)) + ",{Key=none}"
        deleted = aws(gateway, "s3api", "delete-objects", "--bucket", bucket, "--delete", f"Objects=[{keys}]")
        equal(deleted.count('"Key"'), 21, "deleted")
        aws(gateway, "s3", "rb", "--force", f"s3://{bucket}")
        gateway.must_fail("404|NoSuchBucket|Not Found", binary(), "--endpoint-url", gateway.endpoint, "s3api", "head-bucket", "--bucket", bucket)

    def conditional(gateway):
        bucket, _ = carried(gateway, 1000)
        etag = gateway.s3.head_object(Bucket=bucket, Key="file")["ETag"]
        get = ("s3api", "get-object", "--bucket", bucket, "--key", "file")
        aws(gateway, *get, "--if-match", etag, "out2")
        url = ("--endpoint-url", gateway.endpoint)
        gateway.must_fail("304", binary(), *url, *get, "--if-none-match", etag, "out3")
        gateway.must_fail("412|PreconditionFailed", binary(), *url, *get, "--if-match", '"0123"', "out3")

    def summed(gateway):
        bucket = gateway.bucket()
        file = gateway.file(1000)
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            put = ("s3api", "put-object", "--bucket", bucket, "--key", algorithm, "--body", file)
            field = f'"Checksum{algorithm}"'
            if field not in aws(gateway, *put, "--checksum-algorithm", algorithm):
                raise AssertionError(f"the answer to the upload has no {field}")
            if field not in aws(gateway, "s3api", "head-object", "--bucket", bucket, "--key", algorithm, "--checksum-mode", "ENABLED"):
                raise AssertionError(f"HEAD has no {field}")
        large = gateway.file(20 * MIB)
        aws(gateway, "s3", "cp", "--only-show-errors", large, f"s3://{bucket}/large")
        aws(gateway, "s3api", "get-object", "--bucket", bucket, "--key", "large", "--checksum-mode", "ENABLED", "out")
        same_bytes(large, gateway.scratch / "out")
        gateway.must_fail("BadDigest|InvalidDigest", binary(), "--endpoint-url", gateway.endpoint, "s3api", "put-object", "--bucket", bucket,
                          "--key", "bad", "--body", file, "--content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")

    def expects(gateway):
        """Files are sent after 100 Continue alone: a refusal comes before the body."""
        file = gateway.file(7 * MIB)
        shown = gateway.must_fail("NoSuchBucket", binary(), "--debug", "--endpoint-url", gateway.endpoint, "s3api", "put-object", "--bucket",
                                  "lane-no-such-bucket", "--key", "file", "--body", file)
        if "Waiting for 100 Continue response" not in shown or "100 Continue response seen" in shown:
            raise AssertionError("it did not wait, or was told to send a body that is refused")
        bucket = gateway.bucket()
        shown = aws(gateway, "--debug", "s3api", "put-object", "--bucket", bucket, "--key", "file", "--body", file)
        if "100 Continue response seen" not in shown:
            raise AssertionError("it was not told to go on")

    return {"small": small, "empty": empty, "multipart": multipart, "range": ranged, "list": listed, "copy": copied, "delete": removed,
            "conditional": conditional, "checksum": summed, "special": expects}


def tree_of(binary):
    def tree(gateway, carried):
        bucket = gateway.bucket()
        out = gateway.scratch / "out"
        tool = [binary(), "--endpoint-url", gateway.endpoint, "s3", "sync", "--only-show-errors"]
        carried.step("sync up", lambda: gateway.run(*tool, carried.source, f"s3://{bucket}", timeout=1800))

        def down():
            gateway.run(*tool, f"s3://{bucket}", out, timeout=1800)
            carried.must_equal(out)

        carried.step("sync down, compare", down)

    return tree


def debian():
    return "/usr/bin/aws"


CLIENTS = [
    Client(
        "aws-cli (Debian)",
        version=lambda: version_of(debian(), "--version"),
        install=lambda: apt("awscli", debian()),
        cells=cells_of(debian),
        tree=tree_of(debian),
    ),
    Client(
        "aws-cli (pip)",
        version=lambda: version_of(today(), "--version"),
        install=today,
        cells=cells_of(today),
        tree=tree_of(today),
    ),
]
