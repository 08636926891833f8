"""object_store of arrow-rs, by obstore and delta-rs: `object_store.py COLUMN`. Commits of tables are conditional writes."""
import os

import obstore
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from obstore.exceptions import AlreadyExistsError, BaseError, NotModifiedError, PreconditionError
from obstore.store import S3Store

from lane import BUCKET, ENDPOINT, KEY_ID, MIB, REGION, SECRET, equal, run

store = S3Store(BUCKET, endpoint=ENDPOINT, access_key_id=KEY_ID, secret_access_key=SECRET, region=REGION, client_options={"allow_http": True})
OPTIONS = {"AWS_ENDPOINT_URL": ENDPOINT, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION,
           "AWS_ALLOW_HTTP": "true", "conditional_put": "etag"}


def written(name, data, **options):
    put = obstore.put(store, name, data, **options)
    got = obstore.get(store, name)
    equal(bytes(got.bytes()) == data, True, "bytes are the same")
    head = obstore.head(store, name)
    equal((head["size"], head["e_tag"]), (len(data), put["e_tag"]), "size and ETag")


def small():
    for size in (1, 65_537):
        written(f"with blank ü+%/{size}", os.urandom(size))


def empty():
    written("empty", b"")


def multipart():
    written("large", os.urandom(17 * MIB), use_multipart=True, chunk_size=5 * MIB)


def ranged():
    """A read on the condition of the ETag that a list gave."""
    data = os.urandom(300_000)
    obstore.put(store, "file", data)
    listed_etag = obstore.list(store).collect()[0]["e_tag"]
    equal(bytes(obstore.get_range(store, "file", start=65_535, end=65_537)), data[65_535:65_537], "range")
    parts = obstore.get_ranges(store, "file", starts=[0, 100_000], ends=[10, 200_000])
    equal([bytes(part) for part in parts], [data[:10], data[100_000:200_000]], "ranges")
    got = obstore.get(store, "file", options={"range": {"suffix": 9}, "if_match": listed_etag})
    equal(bytes(got.bytes()), data[-9:], "suffix")


def listed():
    for index in range(110):
        obstore.put(store, f"d{index % 3}/ü {index}+%", b"x" * (index % 7))
    found = {item["path"]: item["size"] for page in obstore.list(store, chunk_size=20) for item in page}
    equal(found, {f"d{index % 3}/ü {index}+%": index % 7 for index in range(110)}, "files")
    equal(sorted(obstore.list_with_delimiter(store)["common_prefixes"]), ["d0", "d1", "d2"], "directories")


def copied():
    data = os.urandom(7 * MIB)
    obstore.put(store, "a ü+", data)
    obstore.copy(store, "a ü+", "b")
    obstore.rename(store, "b", "c")
    equal(bytes(obstore.get(store, "c").bytes()) == data, True, "bytes are the same")
    equal(sorted(item["path"] for item in obstore.list(store).collect()), ["a ü+", "c"], "names")


def removed():
    """With Content-MD5."""
    for index in range(40):
        obstore.put(store, f"ü {index}&", b"x")
    obstore.delete(store, [f"ü {index}&" for index in range(40)])
    equal(obstore.list(store).collect(), [], "left")


def conditional():
    first = obstore.put(store, "commit", b"1", mode="create")
    must(AlreadyExistsError, lambda: obstore.put(store, "commit", b"2", mode="create"))
    second = obstore.put(store, "commit", b"2", mode={"e_tag": first["e_tag"]})
    must(PreconditionError, lambda: obstore.put(store, "commit", b"3", mode={"e_tag": first["e_tag"]}))
    must(NotModifiedError, lambda: obstore.get(store, "commit", options={"if_none_match": second["e_tag"]}))
    must(PreconditionError, lambda: obstore.get(store, "commit", options={"if_match": first["e_tag"]}))
    equal(bytes(obstore.get(store, "commit", options={"if_match": second["e_tag"]}).bytes()), b"2", "content")


def must(kind, action):
    try:
        action()
    except kind:
        return
    except BaseError as error:
        raise AssertionError(f"expected {kind.__name__}, got {type(error).__name__}: {error}") from error
    raise AssertionError(f"expected {kind.__name__}")


def special():
    """Commits of a delta table, one of them by a writer who has not seen the one before."""
    table = f"s3://{BUCKET}/table"
    write_deltalake(table, pa.table({"n": list(range(1000))}), storage_options=OPTIONS)
    late = DeltaTable(table, storage_options=OPTIONS)
    write_deltalake(table, pa.table({"n": list(range(1000, 1500))}), mode="append", storage_options=OPTIONS)
    write_deltalake(late, pa.table({"n": list(range(1500, 2000))}), mode="append")
    read = DeltaTable(table, storage_options=OPTIONS)
    equal(read.version(), 2, "version")
    equal(sorted(read.to_pyarrow_table()["n"].to_pylist()), list(range(2000)), "rows")
    read.optimize.compact()
    read.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    equal(DeltaTable(table, storage_options=OPTIONS).to_pyarrow_table().num_rows, 2000, "rows after it was compacted")


if __name__ == "__main__":
    run({"small": small, "empty": empty, "multipart": multipart, "range": ranged, "list": listed, "copy": copied, "delete": removed,
         "conditional": conditional, "special": special})
