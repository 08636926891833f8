"""mc, MinIO's client, through minio-go: it probes a server first, mirrors, and composes copies of parts."""
import json
import os

from client import Client
from gateway import MIB, equal, same_bytes
from installs import BIN, go

RELEASE = "v0.0.0-20250313080218-cf909e1063a9"
MC = BIN / f"mc-{RELEASE}"


def run(gateway, *command):
    return gateway.run(MC, "--quiet", "--config-dir", gateway.scratch / "mc", *command,
                       MC_HOST_g=gateway.endpoint.replace("://", f"://{gateway.access_key}:{gateway.secret_key}@"))


def there_and_back(gateway, size, *more, name="with blank, ü and +.bin"):
    bucket = gateway.bucket()
    file = gateway.file(size, f"source/{name}")
    run(gateway, "cp", *more, file, f"g/{bucket}/a/{name}")
    run(gateway, "cp", f"g/{bucket}/a/{name}", "out")
    same_bytes(file, gateway.scratch / "out")
    equal(json.loads(run(gateway, "stat", "--json", f"g/{bucket}/a/{name}").splitlines()[0])["size"], size, "size of stat")
    return bucket, file


def small(gateway):
    for size in (1, 1000, 65_537):
        there_and_back(gateway, size)


def empty(gateway):
    there_and_back(gateway, 0)


def multipart(gateway):
    there_and_back(gateway, 40 * MIB)


def ranged(gateway):
    bucket, file = there_and_back(gateway, 300_000, name="file")
    for offset in (1, 65_535, 299_999):
        out = gateway.scratch / f"part-{offset}"
        gateway.run("sh", "-c", 'out=$1; shift; "$@" >"$out"', "sh", out, MC, "--quiet", "--config-dir", gateway.scratch / "mc",
                    "cat", "--offset", offset, f"g/{bucket}/a/file",
                    MC_HOST_g=gateway.endpoint.replace("://", f"://{gateway.access_key}:{gateway.secret_key}@"))
        same_bytes(out, file.read_bytes()[offset:])


def mirrored(gateway):
    """A file of the same second as its object would be taken for newer, since objects' times are whole seconds."""
    bucket = gateway.bucket()
    for index in range(1205):
        os.utime(gateway.file(index % 7, f"source/{index % 3}/ü {index}+%"), (1_000_000_000, 1_000_000_000))
    run(gateway, "mirror", "source", f"g/{bucket}")
    listed = [json.loads(line) for line in run(gateway, "ls", "--recursive", "--json", f"g/{bucket}").splitlines()]
    equal(len(listed), 1205, "names listed")
    equal(sum(item["size"] for item in listed), sum(index % 7 for index in range(1205)), "bytes listed")
    equal(run(gateway, "diff", "source", f"g/{bucket}").strip(), "", "differences")
    run(gateway, "mirror", f"g/{bucket}", "out")
    for index in (0, 1, 1204):
        name = f"{index % 3}/ü {index}+%"
        same_bytes(gateway.scratch / "source" / name, gateway.scratch / "out" / name)


def moved(gateway):
    """From 64 MiB on a copy is composed of copied parts."""
    bucket, file = there_and_back(gateway, 65 * MIB, name="file")
    run(gateway, "cp", "--attr", "lane=value", f"g/{bucket}/a/file", f"g/{bucket}/copy")
    run(gateway, "mv", f"g/{bucket}/copy", f"g/{bucket}/moved")
    run(gateway, "cp", f"g/{bucket}/moved", "back")
    same_bytes(file, gateway.scratch / "back")
    equal(sorted(found["Key"] for found in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]), ["a/file", "moved"], "keys")
    head = gateway.s3.head_object(Bucket=bucket, Key="moved")
    if "value" not in head["Metadata"].values():
        raise AssertionError(f"metadata of the copy: {head['Metadata']}")


def removed(gateway):
    bucket = gateway.bucket()
    for index in range(30):
        gateway.file(10, f"source/{index}")
    run(gateway, "mirror", "source", f"g/{bucket}")
    run(gateway, "rm", "--recursive", "--force", f"g/{bucket}")
    equal(run(gateway, "ls", "--recursive", f"g/{bucket}").strip(), "", "names left")
    run(gateway, "mirror", "source", f"g/{bucket}")
    run(gateway, "rb", "--force", f"g/{bucket}")
    if bucket in run(gateway, "ls", "g"):
        raise AssertionError("the bucket is still there")


def sums(gateway):
    """By plain HTTP in a signed trailer; parts have their own."""
    for algorithm in ("CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"):
        for size in (1000, 17 * MIB):
            bucket, _ = there_and_back(gateway, size, "--checksum", algorithm, name="file")
            head = gateway.s3.head_object(Bucket=bucket, Key="a/file", ChecksumMode="ENABLED")
            if f"Checksum{algorithm}" not in head:
                raise AssertionError(f"no {algorithm} was kept of {size} bytes: {sorted(head)}")


def probed(gateway):
    """An alias is only set when a bucket that is not there is said not to be there, by HEAD, or without a region by its location too."""
    alias = [MC, "--config-dir", gateway.scratch / "mc", "alias", "set"]
    nowhere = {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
    gateway.run(*alias, "by-head", gateway.endpoint, gateway.access_key, gateway.secret_key)
    gateway.run(*alias, "by-location", gateway.endpoint, gateway.access_key, gateway.secret_key, **nowhere)
    gateway.must_fail("signature that the server calculated", *alias, "wrong", gateway.endpoint, gateway.access_key, "another-secret-key", **nowhere)
    bucket, file = there_and_back(gateway, 100_000, name="file")
    link = next(line for line in run(gateway, "share", "download", f"g/{bucket}/a/file").splitlines() if line.startswith("Share:")).split()[1]
    gateway.run("curl", "--fail", "--silent", "--output", "linked", link)
    same_bytes(file, gateway.scratch / "linked")
    run(gateway, "ls", "--versions", f"g/{bucket}")


CLIENTS = [
    Client(
        "mc",
        version=lambda: RELEASE.split("-")[1][:8],
        install=lambda: go(f"github.com/minio/mc@{RELEASE}", "mc") and None,
        cells={"small": small, "empty": empty, "multipart": multipart, "range": ranged, "list": mirrored, "copy": moved,
               "delete": removed, "checksum": sums, "special": probed},
    )
]
