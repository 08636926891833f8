"""juicefs: a file system of blocks in the store, with a CRC32C in the metadata of each; its own trial of a storage, and its sync.
It asks for /dev/fuse."""
import re
import shutil

from client import Client
from gateway import MIB, equal, same_bytes
from installs import BIN, fuse, go, version_of

RELEASE = "v1.3.1"
JUICEFS = BIN / f"juicefs-{RELEASE}"
# Without the storages and metadata engines that the lane has no use for.
TAGS = ",".join(
    f"no{name}" for name in "gateway webdav cos bos hdfs ibmcos obs oss qingstor swift azure gs ufile b2 nfs dragonfly sftp mysql pg tikv badger etcd cifs".split()
)
# What is no object's, in the trial of a storage; and what it warns of, since S3 answers with InvalidRange.
NOT_OF_OBJECTS = {test: "not support" for test in ("change owner/group", "change permission", "change mtime")}
BEHIND_THE_END = {"get partial object": "failed to get object with the offset out of r..."}


def install():
    fuse()
    go("github.com/juicedata/juicefs@" + RELEASE, "juicefs", tags=TAGS)


def keys(gateway):
    return {"ACCESS_KEY": gateway.access_key, "SECRET_KEY": gateway.secret_key}


class Volume:
    """A volume whose metadata lies in a file of the scratch directory, and its blocks of 1 MiB in a fresh bucket."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.bucket = gateway.bucket()
        self.meta = f"sqlite3://{gateway.scratch}/meta.db"
        self.at = gateway.scratch / "mounted"
        gateway.run(JUICEFS, "format", "--storage", "minio", "--bucket", f"{gateway.endpoint}/{self.bucket}", "--block-size", "1M",
                    "--trash-days", "0", self.meta, "lane", **keys(gateway))

    def run(self, command, *arguments):
        return self.gateway.run(JUICEFS, command, self.meta, *arguments, **keys(self.gateway))

    def __enter__(self):
        """Mounted without a cache, so that every read comes from the store."""
        self.at.mkdir(exist_ok=True)
        self.gateway.run(JUICEFS, "mount", "-d", "--no-usage-report", "--cache-size", "0", "--cache-dir", self.gateway.scratch / "cache",
                         "--log", self.gateway.scratch / "mount.log", self.meta, self.at, **keys(self.gateway))
        return self.at

    def __exit__(self, *_):
        self.gateway.run(JUICEFS, "umount", "--flush", self.at)

    def blocks(self):
        pages = self.gateway.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="lane/chunks/")
        return [found["Key"] for page in pages for found in page.get("Contents", [])]


def there_and_back(gateway, *sizes):
    volume = Volume(gateway)
    sources = [gateway.file(size) for size in sizes]
    with volume as at:
        for source in sources:
            shutil.copyfile(source, at / source.name)
    with volume as at:
        for source in sources:
            same_bytes(at / source.name, source)
    return volume


def small(gateway):
    there_and_back(gateway, 1, 1000, 65_537, 3 * MIB + 1)


def ranges(gateway):
    """Pieces of a large file, which are parts of blocks."""
    volume = Volume(gateway)
    source = gateway.file(5 * MIB + 7)
    data = source.read_bytes()
    with volume as at:
        shutil.copyfile(source, at / "file")
    with volume as at, open(at / "file", "rb", buffering=0) as file:
        for start, size in ((4 * MIB - 3, 6), (len(data) - 9, 20), (65_535, 3), (0, 1)):
            file.seek(start)
            same_bytes(file.read(size), data[start : start + size])


def checksum(gateway):
    """Every block has its own, and all that the metadata knows of is in the store; a volume that is destroyed leaves no block."""
    volume = there_and_back(gateway, 2 * MIB + 1)
    blocks = volume.blocks()
    equal(len(blocks), 3, "blocks")
    for key in blocks:
        metadata = gateway.s3.head_object(Bucket=volume.bucket, Key=key)["Metadata"]
        if not metadata.get("crc32c", "").isdigit():
            raise AssertionError(f"block {key} has no checksum in its metadata: {metadata}")
    volume.run("fsck")


def removed(gateway):
    volume = there_and_back(gateway, 3 * MIB, 100)
    known = re.search(r'"UUID": "([0-9a-f-]+)"', volume.run("status"))
    volume.run("destroy", known.group(1), "--yes", "--force")
    equal(volume.blocks(), [], "blocks left")


def sync(gateway, source, target, *options):
    return gateway.run(JUICEFS, "sync", "--threads", "4", *options, source, target)


def remote(gateway, bucket):
    return f"minio://{gateway.access_key}:{gateway.secret_key}@{gateway.host}/{bucket}/tree/"


def multipart(gateway):
    """Files above 10 MiB go by parts."""
    there = remote(gateway, gateway.bucket())
    gateway.file(70 * MIB + 1, "source/large")
    sync(gateway, f"{gateway.scratch}/source/", there)
    sync(gateway, there, f"{gateway.scratch}/out/", "--check-all")
    same_bytes(gateway.scratch / "out/large", gateway.scratch / "source/large")


def listed(gateway):
    """A tree up, again with every byte compared, and what is gone here is removed there."""
    bucket = gateway.bucket()
    there = remote(gateway, bucket)
    for index in range(1200):
        gateway.file(index % 60, f"source/d {index % 7}/ü+{index}")
    here = f"{gateway.scratch}/source/"
    sync(gateway, here, there)
    sync(gateway, here, there, "--check-all")
    for index in range(0, 1200, 2):
        (gateway.scratch / f"source/d {index % 7}/ü+{index}").unlink()
    sync(gateway, here, there, "--delete-dst")
    sync(gateway, there, f"{gateway.scratch}/out/")
    names = [sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) for root in (gateway.scratch / "source", gateway.scratch / "out")]
    equal(names[1], names[0], "names")
    equal(len(names[0]), 600, "files")


def trial(gateway):
    """`objbench`: its own tests of a storage and a short load, by both of its clients of S3."""
    for storage in ("minio", "s3"):
        output = gateway.run(JUICEFS, "objbench", "--storage", storage, "--small-objects", "50", "--big-object-size", "64", "--threads", "4",
                             f"{gateway.endpoint}/{gateway.bucket()}", **keys(gateway))
        results = dict(re.findall(r"^\|\s+(?:basic|sync)\s*\|\s*(.+?)\s*\|\s*(.+?)\s*\|$", output, re.MULTILINE))
        if len(results) < 15:
            raise AssertionError(f"objbench --storage {storage} reported too little: {output[-3000:]}")
        equal({test: result for test, result in results.items() if result != "pass"}, NOT_OF_OBJECTS | BEHIND_THE_END, f"objbench --storage {storage}")
        if " test failed" in output:
            raise AssertionError(f"the load of objbench --storage {storage}: {output[-3000:]}")


CLIENTS = [
    Client(
        "juicefs",
        version=lambda: version_of(JUICEFS, "--version"),
        install=install,
        cells={
            "small": small, "multipart": multipart, "range": ranges, "list": listed, "delete": removed, "checksum": checksum, "special": trial,
        },
    )
]
