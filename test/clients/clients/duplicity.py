"""duplicity: volumes and manifests by Debian's boto3, which is from before default checksums."""
from client import Client
from gateway import MIB, equal, same_bytes
from installs import apt, version_of


def duplicity(gateway, *command):
    return gateway.run("duplicity", "--no-encryption", "--archive-dir", gateway.scratch / "archive", "--s3-endpoint-url", gateway.endpoint,
                       "--volsize", "6", *command, PASSPHRASE="")


def backup(gateway, *sizes):
    bucket = gateway.bucket()
    for index, size in enumerate(sizes):
        gateway.file(size, f"source/{index}")
    duplicity(gateway, "full", "source", f"boto3+s3://{bucket}/backup")
    return bucket


def restored(gateway, bucket, *sizes):
    duplicity(gateway, "verify", "--compare-data", f"boto3+s3://{bucket}/backup", "source")
    gateway.run("rm", "-rf", "archive", "out")  # from what lies in the bucket alone
    duplicity(gateway, "restore", f"boto3+s3://{bucket}/backup", "out")
    for index in range(len(sizes)):
        same_bytes(gateway.scratch / f"source/{index}", gateway.scratch / f"out/{index}")


def small(gateway):
    restored(gateway, backup(gateway, 1, 65_537), 1, 65_537)


def empty(gateway):
    restored(gateway, backup(gateway, 0), 0)


def multipart(gateway):
    bucket = gateway.bucket()
    file = gateway.file(20 * MIB, "source/0")
    duplicity(gateway, "--s3-multipart-chunk-size", "5", "--volsize", "50", "full", "source", f"boto3+s3://{bucket}/backup")
    keys = [found["Key"] for found in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    volume = next(key for key in keys if "difftar" in key)
    if gateway.s3.head_object(Bucket=bucket, Key=volume, PartNumber=1).get("PartsCount", 1) < 2:
        raise AssertionError("its volume did not go by parts")
    restored(gateway, bucket, file.stat().st_size)


def listed(gateway):
    """Changes on top of a whole, read back from lists and manifests."""
    bucket = backup(gateway, 10 * MIB, 3)
    gateway.file(4, "source/1")
    duplicity(gateway, "incremental", "source", f"boto3+s3://{bucket}/backup")
    status = duplicity(gateway, "collection-status", f"boto3+s3://{bucket}/backup")
    equal(status.count("Incremental"), 1, f"increments in {status}")
    restored(gateway, bucket, 10 * MIB, 4)


def removed(gateway):
    bucket = backup(gateway, 100)
    gateway.file(4, "source/0")
    gateway.run("sleep", "1")
    duplicity(gateway, "full", "source", f"boto3+s3://{bucket}/backup")
    duplicity(gateway, "remove-all-but-n-full", "1", "--force", f"boto3+s3://{bucket}/backup")
    left = [found["Key"] for found in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    equal(sum("full-sig" in key for key in left), 1, f"whole backups in {left}")


CLIENTS = [
    Client(
        "duplicity",
        version=lambda: version_of("duplicity", "--version"),
        install=lambda: (apt("duplicity"), apt("python3-boto3", "/usr/lib/python3/dist-packages/boto3/__init__.py")),
        cells={"small": small, "empty": empty, "multipart": multipart, "list": listed, "delete": removed},
    )
]
