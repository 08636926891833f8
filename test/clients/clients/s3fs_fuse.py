"""s3fs-fuse: a bucket as a file system; Debian's. It asks for /dev/fuse."""
import os
import time
from contextlib import contextmanager

from client import Client, Differs
from gateway import MIB, equal, same_bytes
from installs import apt, fuse, version_of


def install():
    apt("s3fs")
    apt("fio")
    fuse()


@contextmanager
def mounted(gateway, *options, bucket=None):
    bucket = bucket or gateway.bucket()
    where = gateway.scratch / f"mount-{len(list(gateway.scratch.iterdir()))}"
    where.mkdir()
    passwords = gateway.scratch / "passwords"
    passwords.write_text(f"{gateway.access_key}:{gateway.secret_key}")
    passwords.chmod(0o600)
    options = ["use_path_request_style", f"url={gateway.endpoint}", f"endpoint={gateway.region}", f"passwd_file={passwords}",
               "multipart_size=5", "retries=1", *options]
    gateway.start("s3fs", bucket, where, "-f", *(part for option in options for part in ("-o", option)))
    try:
        for _ in range(200):
            if os.path.ismount(where):
                break
            time.sleep(0.1)
        else:
            raise AssertionError("".join(log.read_text()[-1000:] for log in gateway.scratch.glob("server-*.log")))
        yield where, bucket
    finally:
        gateway.attempt("fusermount", "-u", where)


def again(gateway, bucket):
    """Another mount, which has nothing cached."""
    return mounted(gateway, bucket=bucket)


def carried(gateway, size):
    data = gateway.payload(size)
    with mounted(gateway) as (mount, bucket):
        (mount / "with blank ü+").write_bytes(data)
    with again(gateway, bucket) as (mount, _):
        equal((mount / "with blank ü+").stat().st_size, size, "size")
        same_bytes((mount / "with blank ü+").read_bytes(), data)


def small(gateway):
    carried(gateway, 65_537)


def empty(gateway):
    carried(gateway, 0)


def multipart(gateway):
    """With its option that takes part ETags for MD5s, and no word of KMS from its user, it cannot be served; told of KMS it is."""
    carried(gateway, 23 * MIB)
    data = gateway.payload(12 * MIB)
    with mounted(gateway, "enable_content_md5") as (mount, bucket):
        try:
            (mount / "file").write_bytes(data)
        except OSError as error:
            equal(error.strerror, "Input/output error", "error")
        else:
            raise AssertionError("with enable_content_md5 an upload by parts passed")
    if gateway.s3.list_objects_v2(Bucket=bucket).get("KeyCount") and gateway.s3.head_object(Bucket=bucket, Key="file")["ContentLength"]:
        raise AssertionError("what failed is there")
    key = gateway.s3.put_object(Bucket=bucket, Key="probe", Body=b"")["SSEKMSKeyId"]
    with mounted(gateway, "enable_content_md5", f"use_sse=kmsid:{key}") as (mount, bucket):
        (mount / "file").write_bytes(data)
    with again(gateway, bucket) as (mount, _):
        same_bytes((mount / "file").read_bytes(), data)
    return Differs("passes, but with `enable_content_md5` uploads by parts fail with EIO unless `use_sse=kmsid:…` is set, as on AWS with SSE-KMS.")


def ranged(gateway):
    data = gateway.payload(21 * MIB)
    with mounted(gateway) as (mount, bucket):
        (mount / "file").write_bytes(data)
    with again(gateway, bucket) as (mount, _), open(mount / "file", "rb") as file:
        for first, count in ((0, 1), (65_535, 2), (20 * MIB, 70_000), (21 * MIB - 1, 5)):
            file.seek(first)
            same_bytes(file.read(count), data[first : first + count])


def listed(gateway):
    with mounted(gateway) as (mount, bucket):
        for index in range(120):
            path = mount / f"d{index % 3}" / f"ü {index}+%"
            path.parent.mkdir(exist_ok=True)
            path.write_text("x" * (index % 9))
    with again(gateway, bucket) as (mount, _):
        found = {path.relative_to(mount).as_posix(): path.stat().st_size for path in mount.rglob("*") if path.is_file()}
        equal(found, {f"d{index % 3}/ü {index}+%": index % 9 for index in range(120)}, "files")


def copied(gateway):
    """A mode or an age is a copy onto itself, a new name a copy, and a change inside a file an upload that copies parts of the same key."""
    data = bytearray(gateway.payload(26 * MIB))
    with mounted(gateway) as (mount, bucket):
        (mount / "file").write_bytes(data)
        os.chmod(mount / "file", 0o640)
        os.utime(mount / "file", (1_000_000_000, 1_000_000_000))
        with open(mount / "file", "r+b") as file:
            file.seek(13 * MIB)
            file.write(b"changed")
        data[13 * MIB : 13 * MIB + 7] = b"changed"
        with open(mount / "file", "ab") as file:
            file.write(b"appended")
        data += b"appended"
        os.rename(mount / "file", mount / "moved")
        (mount / "directory").mkdir()
        os.rename(mount / "moved", mount / "directory/moved")
        os.rename(mount / "directory", mount / "other")
    with again(gateway, bucket) as (mount, _):
        equal((mount / "other/moved").stat().st_mode & 0o777, 0o640, "mode")
        same_bytes((mount / "other/moved").read_bytes(), bytes(data))
        equal(sorted(path.name for path in mount.iterdir()), ["other"], "names")


def used(gateway):
    """git makes a clone on it, and fio writes, reads and verifies."""
    source = gateway.scratch / "repository"
    gateway.run("git", "init", "-q", source)
    for index in range(20):
        gateway.file(2000, f"repository/{index}")
    git = ["git", "-C", source, "-c", "user.name=lane", "-c", "user.email=lane@example.com"]
    gateway.run(*git, "add", ".")
    gateway.run(*git, "commit", "-qm", "lane")
    with mounted(gateway) as (mount, bucket):
        gateway.run("git", "clone", "-q", source, mount / "clone")
        gateway.run("git", "-C", mount / "clone", "fsck", "--full")
        gateway.run("fio", "--name=lane", f"--directory={mount}", "--rw=randwrite", "--size=12m", "--bs=64k", "--verify=crc32c", "--ioengine=sync",
                    "--randseed=1", "--fallocate=none")
    with again(gateway, bucket) as (mount, _):
        equal(gateway.run("git", "-C", mount / "clone", "status", "--porcelain"), "", "status")
        for index in range(20):
            same_bytes(source / str(index), mount / "clone" / str(index))


CLIENTS = [
    Client(
        "s3fs-fuse",
        version=lambda: version_of("s3fs", "--version"),
        install=install,
        cells={"small": small, "empty": empty, "multipart": multipart, "range": ranged, "list": listed, "copy": copied, "special": used},
    )
]
