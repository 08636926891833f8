"""PyArrow's file system of S3, which is AWS's C++ SDK: `arrow.py COLUMN`."""
import os

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from lane import BUCKET, ENDPOINT, KEY_ID, MIB, REGION, SECRET, equal, run

s3 = fs.S3FileSystem(access_key=KEY_ID, secret_key=SECRET, region=REGION, endpoint_override=ENDPOINT.removeprefix("http://"), scheme="http")


def written(name, data):
    with s3.open_output_stream(f"{BUCKET}/{name}", metadata={"Content-Type": "text/x-lane"}) as out:
        out.write(data)
    with s3.open_input_stream(f"{BUCKET}/{name}") as file:
        equal(file.read() == data, True, "bytes are the same")
    equal(s3.get_file_info(f"{BUCKET}/{name}").size, len(data), "size")


def small():
    for size in (1, 65_537):
        written(f"with blank ü+%/{size}", os.urandom(size))


def empty():
    written("empty", b"")
    s3.create_dir(f"{BUCKET}/directory", recursive=True)
    equal(s3.get_file_info(f"{BUCKET}/directory").type, fs.FileType.Directory, "type")


def multipart():
    written("large", os.urandom(33 * MIB))


def ranged():
    """Several threads read columns of a table by their offsets."""
    table = pa.table({"n": range(400_000), "text": [f"row {n % 977}" for n in range(400_000)]})
    pq.write_table(table, f"{BUCKET}/table.parquet", filesystem=s3, row_group_size=20_000)
    equal(pq.read_table(f"{BUCKET}/table.parquet", filesystem=s3).equals(table), True, "the table is the same")
    rows = pq.read_table(f"{BUCKET}/table.parquet", filesystem=s3, columns=["n"], filters=[("n", ">", 399_990)], pre_buffer=True)
    equal(rows["n"].to_pylist(), list(range(399_991, 400_000)), "rows")
    with s3.open_input_file(f"{BUCKET}/table.parquet") as file:
        file.seek(file.size() - 4)
        equal(file.read(), b"PAR1", "end")


def listed():
    for index in range(1010 // 10):
        written(f"d{index % 3}/ü {index}+%", b"x" * (index % 7))
    found = s3.get_file_info(fs.FileSelector(BUCKET, recursive=True))
    sizes = {info.path: info.size for info in found if info.type == fs.FileType.File}
    equal(sizes, {f"{BUCKET}/d{index % 3}/ü {index}+%": index % 7 for index in range(101)}, "files")


def copied():
    data = os.urandom(11 * MIB)
    written("a ü+", data)
    s3.copy_file(f"{BUCKET}/a ü+", f"{BUCKET}/b")
    s3.move(f"{BUCKET}/b", f"{BUCKET}/c")
    with s3.open_input_stream(f"{BUCKET}/c") as file:
        equal(file.read() == data, True, "bytes are the same")
    equal(s3.get_file_info(f"{BUCKET}/b").type, fs.FileType.NotFound, "what was moved")


def removed():
    for index in range(30):
        written(f"d/{index}", b"x")
    s3.delete_dir_contents(f"{BUCKET}/d")
    equal([info.path for info in s3.get_file_info(fs.FileSelector(f"{BUCKET}/d", recursive=True, allow_not_found=True))], [], "left")


def special():
    """A dataset in partitions, scanned by a filter."""
    table = pa.table({"part": [n % 5 for n in range(50_000)], "n": range(50_000)})
    ds.write_dataset(table, f"{BUCKET}/set", filesystem=s3, format="parquet", partitioning=["part"], partitioning_flavor="hive")
    scanned = ds.dataset(f"{BUCKET}/set", filesystem=s3, format="parquet", partitioning="hive").to_table(filter=pc.field("part") == 3)
    equal(sorted(scanned["n"].to_pylist()), list(range(3, 50_000, 5)), "rows")


if __name__ == "__main__":
    run({"small": small, "empty": empty, "multipart": multipart, "range": ranged, "list": listed, "copy": copied, "delete": removed, "special": special})
