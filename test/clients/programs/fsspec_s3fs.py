"""fsspec's s3fs: `fsspec_s3fs.py COLUMN`. It reads on the condition of the ETag that a list gave, and takes that for a hexadecimal number."""
import os

import s3fs

from lane import BUCKET, ENDPOINT, MIB, Differs, equal, run


def opened():
    s3fs.S3FileSystem.clear_instance_cache()
    return s3fs.S3FileSystem(endpoint_url=ENDPOINT, config_kwargs={"s3": {"addressing_style": "path"}})


def written(name, data, **options):
    s3 = opened()
    with s3.open(f"{BUCKET}/{name}", "wb", **options) as file:
        file.write(data)
    s3 = opened()
    equal(s3.cat_file(f"{BUCKET}/{name}") == data, True, "bytes are the same")
    equal(s3.info(f"{BUCKET}/{name}")["size"], len(data), "size")
    return s3


def small():
    for size in (1, 65_537):
        s3 = written(f"with blank ü+%/{size}", os.urandom(size))
        equal(s3.checksum(f"{BUCKET}/with blank ü+%/{size}") > 0, True, "its checksum is a number")


def empty():
    written("empty", b"")
    opened().touch(f"{BUCKET}/touched")


def multipart():
    written("large", os.urandom(21 * MIB), block_size=5 * MIB)


def ranged():
    """With the ETag of a list as condition: one that differs by list and read would end it."""
    data = os.urandom(12 * MIB)
    written("file", data)
    s3 = opened()
    s3.ls(BUCKET, detail=True)
    with s3.open(f"{BUCKET}/file", "rb", block_size=1 * MIB) as file:
        for first, count in ((0, 1), (65_535, 2), (11 * MIB, 70_000), (12 * MIB - 1, 5)):
            file.seek(first)
            equal(file.read(count) == data[first : first + count], True, f"range from {first}")
    with s3.open(f"{BUCKET}/file", "rb", block_size=1 * MIB, cache_type="none") as file:
        file.read(10)
        opened().pipe_file(f"{BUCKET}/file", data[::-1])
        file.seek(5 * MIB)
        try:
            file.read(10)
        except OSError as error:
            if "preconditions" not in str(error):
                raise
            return
        raise AssertionError("a file that has changed was read on")


def listed():
    s3 = opened()
    s3.pipe({f"{BUCKET}/d{index % 3}/ü {index}+%": b"x" * (index % 7) for index in range(120)})
    s3 = opened()
    found = {path: info["size"] for path, info in s3.find(BUCKET, detail=True).items()}
    equal(found, {f"{BUCKET}/d{index % 3}/ü {index}+%": index % 7 for index in range(120)}, "files")
    equal(len(s3.glob(f"{BUCKET}/d1/*+%")), 40, "names by a pattern")
    equal(sorted(s3.ls(BUCKET, detail=False)), [f"{BUCKET}/d{index}" for index in range(3)], "directories")


def copied():
    """A file that is added to is the first part of an upload of its own key."""
    data = os.urandom(7 * MIB)
    s3 = written("a ü+", data)
    with s3.open(f"{BUCKET}/a ü+", "ab") as file:
        file.write(b"more")
    s3.copy(f"{BUCKET}/a ü+", f"{BUCKET}/b")
    s3.mv(f"{BUCKET}/b", f"{BUCKET}/c")
    s3 = opened()
    equal(s3.cat_file(f"{BUCKET}/c") == data + b"more", True, "bytes are the same")
    equal(s3.exists(f"{BUCKET}/b"), False, "what was moved")


def removed():
    s3 = opened()
    s3.pipe({f"{BUCKET}/d/{index}": b"x" for index in range(50)})
    s3.rm(f"{BUCKET}/d", recursive=True)
    equal(opened().find(BUCKET), [], "left")


def conditional():
    """Made only if it is not there."""
    s3 = opened()
    s3.pipe_file(f"{BUCKET}/once", b"1", mode="create")
    try:
        opened().pipe_file(f"{BUCKET}/once", b"2", mode="create")
    except FileExistsError:
        equal(opened().cat_file(f"{BUCKET}/once"), b"1", "content")
        return
    raise AssertionError("it was made twice")


def special():
    """`preserve_etag` reads the number of parts from ETags, and takes -0 for none."""
    written("a", os.urandom(7 * MIB))
    s3 = opened()
    try:
        s3.copy(f"{BUCKET}/a", f"{BUCKET}/b", preserve_etag=True)
    except OSError:
        equal(opened().exists(f"{BUCKET}/b"), False, "what was not copied")
        raise Differs("copies with `preserve_etag=True` fail: it takes the -0 of ETags for no parts.") from None
    equal(opened().info(f"{BUCKET}/b")["size"], 7 * MIB, "size")


if __name__ == "__main__":
    run({"small": small, "empty": empty, "multipart": multipart, "range": ranged, "list": listed, "copy": copied, "delete": removed,
         "conditional": conditional, "special": special})
