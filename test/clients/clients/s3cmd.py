"""s3cmd: compares ETags with MD5s unless they cannot be one, lists by the old list, and sends ETags without quotes."""
from concurrent.futures import ThreadPoolExecutor

from client import Client
from gateway import MIB, equal, same_bytes
from installs import apt, version_of


def s3cmd(gateway, *command):
    return gateway.run("s3cmd", *settings(gateway), *command)


def settings(gateway):
    return ["--config=/dev/null", f"--access_key={gateway.access_key}", f"--secret_key={gateway.secret_key}", f"--host={gateway.host}",
            f"--host-bucket={gateway.host}", "--no-ssl", f"--region={gateway.region}", "--multipart-chunk-size-mb=5", "--no-progress"]


def carried(gateway, size, name="file"):
    bucket = gateway.bucket()
    file = gateway.file(size)
    shown = s3cmd(gateway, "put", file, f"s3://{bucket}/{name}")
    if "MD5" in shown:  # "WARNING: MD5 Sums don't match!", and it sends it all again
        raise AssertionError(shown[-600:])
    s3cmd(gateway, "get", f"s3://{bucket}/{name}", "out")
    same_bytes(file, gateway.scratch / "out")
    equal(gateway.s3.head_object(Bucket=bucket, Key=name)["ContentLength"], size, "size")
    return bucket, file


def small(gateway):
    for size in (1, 65_537):
        bucket, _ = carried(gateway, size, "with blank/ü+%.txt")
        (gateway.scratch / "out").unlink()
    if "s3cmd-attrs" not in gateway.s3.head_object(Bucket=bucket, Key="with blank/ü+%.txt")["Metadata"]:
        raise AssertionError("its own metadata are gone")


def empty(gateway):
    carried(gateway, 0)


def multipart(gateway):
    bucket, _ = carried(gateway, 12 * MIB)
    equal(gateway.s3.head_object(Bucket=bucket, Key="file", PartNumber=1)["PartsCount"], 3, "parts")


def resumed(gateway):
    """It looks for parts whose ETag is the MD5 of what it has, finds none, and sends them again."""
    bucket, file = gateway.bucket(), gateway.file(12 * MIB)
    upload = gateway.s3.create_multipart_upload(Bucket=bucket, Key="file")["UploadId"]
    gateway.s3.upload_part(Bucket=bucket, Key="file", UploadId=upload, PartNumber=1, Body=file.read_bytes()[: 5 * MIB])
    shown = s3cmd(gateway, "multipart", f"s3://{bucket}")
    if upload not in shown:
        raise AssertionError(f"it does not list the upload: {shown}")
    parts = s3cmd(gateway, "listmp", f"s3://{bucket}/file", upload)
    if str(5 * MIB) not in parts:
        raise AssertionError(f"it does not list the part with its plaintext size: {parts}")
    s3cmd(gateway, "put", "--continue-put", f"--upload-id={upload}", file, f"s3://{bucket}/file")
    s3cmd(gateway, "get", f"s3://{bucket}/file", "out")
    same_bytes(file, gateway.scratch / "out")
    equal(gateway.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []), [], "uploads left")


def ranged(gateway):
    """A download is taken up where it was cut."""
    bucket, file = carried(gateway, 300_000)
    (gateway.scratch / "out").write_bytes(file.read_bytes()[:100_001])
    s3cmd(gateway, "get", "--continue", f"s3://{bucket}/file", "out")
    same_bytes(file, gateway.scratch / "out")


def listed(gateway):
    bucket, s3 = gateway.bucket(), gateway.s3
    for index in range(60):
        gateway.file(index % 9, f"source/{index % 3}/ü {index}+%")
    s3cmd(gateway, "sync", "source/", f"s3://{bucket}/")
    again = s3cmd(gateway, "sync", "source/", f"s3://{bucket}/")
    if "upload:" in again:
        raise AssertionError(f"sent again: {again[-500:]}")
    (gateway.scratch / "out").mkdir()
    s3cmd(gateway, "sync", f"s3://{bucket}/", "out/")
    equal(gateway.run("diff", "-r", "source", "out"), "", "difference")
    # More than a page: where the next begins it takes from the last name.
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: s3.put_object(Bucket=bucket, Key=f"many/{index} ü+&", Body=b""), range(1003)))
    equal(len(s3cmd(gateway, "ls", "--recursive", f"s3://{bucket}/many/").splitlines()), 1003, "names listed")


def copied(gateway):
    bucket, file = carried(gateway, 12 * MIB)
    s3cmd(gateway, "cp", f"s3://{bucket}/file", f"s3://{bucket}/copy ü+")
    s3cmd(gateway, "mv", f"s3://{bucket}/copy ü+", f"s3://{bucket}/moved")
    s3cmd(gateway, "modify", "--add-header=x-amz-meta-lane: 1", "--mime-type=text/x-lane", f"s3://{bucket}/moved")
    head = gateway.s3.head_object(Bucket=bucket, Key="moved")
    equal((head["Metadata"].get("lane"), head["ContentType"], head["ContentLength"]), ("1", "text/x-lane", 12 * MIB), "after modify")
    s3cmd(gateway, "get", f"s3://{bucket}/moved", "back")
    same_bytes(file, gateway.scratch / "back")


def removed(gateway):
    bucket = gateway.bucket()
    for index in range(30):
        gateway.file(9, f"source/ü {index}&")
    s3cmd(gateway, "sync", "source/", f"s3://{bucket}/")
    s3cmd(gateway, "del", "--recursive", "--force", f"s3://{bucket}/")
    equal(gateway.s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "left")
    s3cmd(gateway, "rb", f"s3://{bucket}")


def unquoted(gateway):
    """Its Complete has ETags without quotes and no namespace; info, du and the location are asked too."""
    bucket, _ = carried(gateway, 6 * MIB)
    if "MD5 sum" not in (shown := s3cmd(gateway, "info", f"s3://{bucket}/file")):
        raise AssertionError(f"info: {shown}")
    if str(6 * MIB) not in (shown := s3cmd(gateway, "du", f"s3://{bucket}")):
        raise AssertionError(f"du: {shown}")
    if gateway.region not in (shown := s3cmd(gateway, "info", f"s3://{bucket}")):
        raise AssertionError(f"location: {shown}")


CLIENTS = [
    Client(
        "s3cmd",
        version=lambda: version_of("s3cmd", "--version"),
        install=lambda: apt("s3cmd"),
        cells={"small": small, "empty": empty, "multipart": multipart, "resume": resumed, "range": ranged, "list": listed, "copy": copied,
               "delete": removed, "special": unquoted},
    )
]
