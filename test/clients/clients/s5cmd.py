"""s5cmd, through the Go SDK v1: 256 workers at once, parts, wildcards, and bulk deletes of 1000 keys."""
from client import Client
from gateway import MIB, equal, same_bytes
from installs import BIN, go

RELEASE = "v2.3.0"
S5CMD = BIN / f"s5cmd-{RELEASE}"


def run(gateway, *command):
    return gateway.run(S5CMD, "--endpoint-url", gateway.endpoint, *command)


def there_and_back(gateway, size, *more):
    bucket = gateway.bucket()
    file = gateway.file(size, "source/ü file+%")
    run(gateway, "cp", *more, file, f"s3://{bucket}/a/ü file+%")
    run(gateway, "cp", *more, f"s3://{bucket}/a/ü file+%", "out")
    same_bytes(file, gateway.scratch / "out")
    equal(gateway.s3.head_object(Bucket=bucket, Key="a/ü file+%")["ContentLength"], size, "size")
    return bucket, file


def small(gateway):
    for size in (1, 1000, 65_537):
        there_and_back(gateway, size)


def empty(gateway):
    there_and_back(gateway, 0)


def multipart(gateway):
    there_and_back(gateway, 23 * MIB, "--part-size", "5", "--concurrency", "8")


def ranged(gateway):
    """A download in ranges side by side, other than the parts of the upload; and the whole as a stream."""
    bucket, file = there_and_back(gateway, 12 * MIB, "--part-size", "5")
    run(gateway, "cp", "--part-size", "7", "--concurrency", "3", f"s3://{bucket}/a/*", "ranges/")
    same_bytes(file, gateway.scratch / "ranges/ü file+%")
    gateway.run("sh", "-c", 'out=$1; shift; "$@" >"$out"', "sh", "whole", S5CMD, "--endpoint-url", gateway.endpoint, "cat", f"s3://{bucket}/a/ü file+%")
    same_bytes(file, gateway.scratch / "whole")


def tree(gateway, count):
    for index in range(count):
        gateway.file(index % 7, f"source/{index % 3}/ü {index}+")
    return gateway.bucket()


def synced(gateway):
    bucket = tree(gateway, 1205)
    run(gateway, "sync", "source/", f"s3://{bucket}/")
    equal(len(run(gateway, "ls", f"s3://{bucket}/*").splitlines()), 1205, "names listed")
    equal(len(run(gateway, "--use-list-objects-v1", "ls", f"s3://{bucket}/*").splitlines()), 1205, "names of the old list")
    equal(run(gateway, "sync", "--size-only", "source/", f"s3://{bucket}/").strip(), "", "what a second sync sends")
    run(gateway, "sync", f"s3://{bucket}/*", "out/")
    for index in (0, 1, 1204):
        name = f"{index % 3}/ü {index}+"
        same_bytes(gateway.scratch / "source" / name, gateway.scratch / "out" / name)


def moved(gateway):
    bucket, file = there_and_back(gateway, 100_000)
    run(gateway, "cp", f"s3://{bucket}/a/*", f"s3://{bucket}/b/")
    run(gateway, "mv", f"s3://{bucket}/b/ü file+%", f"s3://{bucket}/c")
    run(gateway, "cp", f"s3://{bucket}/c", "back")
    same_bytes(file, gateway.scratch / "back")
    equal(sorted(found["Key"] for found in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]), ["a/ü file+%", "c"], "keys")


def removed(gateway):
    bucket = tree(gateway, 1005)
    run(gateway, "cp", "source/", f"s3://{bucket}/")
    run(gateway, "rm", f"s3://{bucket}/*")
    equal(gateway.s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "names left")
    run(gateway, "rb", f"s3://{bucket}")


def workers(gateway):
    """256 of them, each on a connection of its own."""
    bucket = tree(gateway, 2000)
    run(gateway, "--numworkers", "256", "cp", "source/", f"s3://{bucket}/")
    run(gateway, "--numworkers", "256", "cp", f"s3://{bucket}/*", "out/")
    for index in range(2000):
        name = f"{index % 3}/ü {index}+"
        same_bytes(gateway.scratch / "source" / name, gateway.scratch / "out" / name)


CLIENTS = [
    Client(
        "s5cmd",
        version=lambda: RELEASE.removeprefix("v"),
        install=lambda: go(f"github.com/peak/s5cmd/v2@{RELEASE}", "s5cmd") and None,
        cells={"small": small, "empty": empty, "multipart": multipart, "range": ranged, "list": synced, "copy": moved,
               "delete": removed, "special": workers},
    )
]
