"""Libraries of data work, each in an environment of its own; the programs are in programs/."""
from dataclasses import replace

from client import Client
from gateway import program
from installs import HERE, venv, version_of


def library(name, distribution, file, environment, requirements, columns):
    def python():
        return venv(environment, *requirements) / "python"

    return Client(
        name,
        version=lambda: version_of(python(), "-c", f"import importlib.metadata as m; print(m.version('{distribution}'))"),
        install=python,
        cells=program(python, HERE / "programs" / file).cells(*columns),
    )


def duckdb():
    """The extension for S3 comes by pip, of the same version."""
    client = library("DuckDB", "duckdb", "duck.py", "duckdb", ["duckdb==1.5.5", "duckdb-extension-httpfs==1.5.5"],
                     ["small", "empty", "multipart", "range", "list", "special"])
    read = client.cells["empty"]

    def empty(gateway):
        bucket = gateway.bucket()
        gateway.s3.put_object(Bucket=bucket, Key="empty.csv", Body=b"")
        return read(replace(gateway, given_bucket=bucket))

    client.cells["empty"] = empty
    return client


ALL = ("small", "empty", "multipart", "range", "list", "copy", "delete", "conditional", "special")
CLIENTS = [
    library("PyArrow", "pyarrow", "arrow.py", "arrow", ["pyarrow==26.0.1"], [column for column in ALL if column != "conditional"]),
    library("fsspec s3fs", "s3fs", "fsspec_s3fs.py", "fsspec", ["s3fs==2026.9.0"], ALL),
    library("object_store (obstore, delta-rs)", "obstore", "object_store.py", "object-store",
            ["obstore==0.12.1", "deltalake==1.6.6", "pyarrow==26.0.1"], ALL),
    duckdb(),
    library("boto 2", "boto", "boto2.py", "boto2", ["boto==2.49.0"], ["small"]),
]
