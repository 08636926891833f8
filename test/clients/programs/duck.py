"""DuckDB's httpfs: `duck.py COLUMN`. It compares ETags of lists, HEAD and every range, and copies those of parts with their quotes."""
from pathlib import Path

import duckdb
import duckdb_extension_httpfs

from lane import BUCKET, ENDPOINT, KEY_ID, REGION, SECRET, equal, run


def connected():
    # Fetched at run time it would come from the network; the same file comes by pip.
    [extension] = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    connection.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{KEY_ID}', SECRET '{SECRET}', REGION '{REGION}', URL_STYLE 'path', USE_SSL false,
                           ENDPOINT '{ENDPOINT.removeprefix("http://")}')""")
    return connection


def rows(query, connection=None):
    return (connection or connected()).execute(query).fetchall()


def small():
    rows(f"COPY (SELECT 1 AS n, 'ü' AS text) TO 's3://{BUCKET}/with blank ü/small.csv'")
    equal(rows(f"SELECT * FROM 's3://{BUCKET}/with blank ü/small.csv'"), [(1, "ü")], "rows")


def empty():
    """Of what another client has put there: it makes no empty file itself."""
    equal(rows(f"SELECT size FROM read_blob('s3://{BUCKET}/empty.csv')"), [(0,)], "size")


def multipart():
    connection = connected()
    connection.execute("SET s3_uploader_max_filesize = '50GB'")
    rows(f"COPY (SELECT n, hash(n) AS a, hash(n + 1) AS b, md5(n::text) AS c FROM range(1000000) t(n)) TO 's3://{BUCKET}/large.csv'", connection)
    equal(rows(f"SELECT count(*), sum(n) FROM 's3://{BUCKET}/large.csv'"), [(1_000_000, 499_999_500_000)], "rows")


def ranged():
    rows(f"COPY (SELECT n, md5(n::text) AS text FROM range(300000) t(n)) TO 's3://{BUCKET}/a.parquet' (ROW_GROUP_SIZE 10000)")
    equal(rows(f"SELECT n, text FROM 's3://{BUCKET}/a.parquet' WHERE n = 277777"), rows("SELECT 277777, md5('277777')"), "row")
    equal(rows(f"SELECT sum(n) FROM 's3://{BUCKET}/a.parquet'"), [(44_999_850_000,)], "sum")


def listed():
    """ETags, sizes and times of a list are those that it reads by."""
    connection = connected()
    for index in range(12):
        rows(f"COPY (SELECT {index} AS n FROM range(1000)) TO 's3://{BUCKET}/d{index % 2}/ü {index}+.parquet'", connection)
    connection.execute("SET enable_http_metadata_cache = true")
    for _ in range(2):
        equal(rows(f"SELECT count(*), sum(n) FROM 's3://{BUCKET}/*/*.parquet'", connection), [(12_000, 66_000)], "rows")
    equal(len(rows(f"SELECT * FROM glob('s3://{BUCKET}/d1/*')", connection)), 6, "names")


def special():
    """A table in partitions, scanned by a filter."""
    rows(f"COPY (SELECT n % 5 AS part, n FROM range(50000) t(n)) TO 's3://{BUCKET}/set' (FORMAT parquet, PARTITION_BY (part))")
    equal(rows(f"SELECT count(*), sum(n) FROM read_parquet('s3://{BUCKET}/set/*/*.parquet', hive_partitioning = true) WHERE part = 3"), [(10_000, sum(range(3, 50_000, 5)))], "rows")


if __name__ == "__main__":
    run({"small": small, "empty": empty, "multipart": multipart, "range": ranged, "list": listed, "special": special})
