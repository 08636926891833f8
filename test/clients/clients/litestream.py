"""litestream: an SQLite database followed into the store, and restored from it."""
import os
import signal
import sqlite3
import time

from client import Client
from gateway import MIB, equal, program
from installs import BIN, LANES, go, go_program, version_of

RELEASE = "v0.5.16"
LITESTREAM = BIN / f"litestream-{RELEASE}"
# Of the same release, which programs/go/leases.mod names: its lease, which no command takes yet.
LEASES = LANES / "programs/leases-leases"


def install():
    go(f"github.com/benbjohnson/litestream@{RELEASE}", "litestream", "./cmd/litestream")
    go_program("leases", "leases.mod")
    equal(version_of(LEASES, "version"), RELEASE.removeprefix("v"), "the release whose lease is tried")


def configured(gateway, bucket, name="lane.db"):
    """Uploads in parts of 5 MiB; files of changes are merged and removed within seconds."""
    database = gateway.scratch / name
    config = gateway.scratch / f"{name}.yml"
    config.write_text(f"""
access-key-id: {gateway.access_key}
secret-access-key: {gateway.secret_key}
levels:
  - interval: 2s
l0-retention: 1s
l0-retention-check-interval: 1s
snapshot: {{interval: 4s, retention: 5s}}
dbs:
  - path: {database}
    monitor-interval: 100ms
    replica:
      type: s3
      bucket: {bucket}
      path: replica
      endpoint: {gateway.endpoint}
      region: {gateway.region}
      force-path-style: true
      part-size: 5MiB
      sync-interval: 200ms
""")
    return database, config


def replicate(gateway, config):
    return gateway.start(LITESTREAM, "replicate", "-config", config)


def stop(child):
    """Told to end, it sends what is left first."""
    os.killpg(child.pid, signal.SIGTERM)
    equal(child.wait(60), 0, "exit of litestream")


def restored(gateway, config, database):
    out = gateway.scratch / f"restored-{time.monotonic_ns()}.db"
    gateway.run(LITESTREAM, "restore", "-config", config, "-o", out, database)
    with sqlite3.connect(out) as copy:
        equal(copy.execute("PRAGMA integrity_check").fetchone()[0], "ok", "integrity")
        return copy.execute("SELECT count(*), total(length(data)) FROM lane").fetchone()


def write(database, rows, size):
    with sqlite3.connect(database, timeout=20) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE IF NOT EXISTS lane (data BLOB)")
        connection.executemany("INSERT INTO lane VALUES (?)", ((os.urandom(size),) for _ in range(rows)))


def there_and_back(gateway, rows, size):
    bucket = gateway.bucket()
    database, config = configured(gateway, bucket)
    write(database, 1, 1)
    child = replicate(gateway, config)
    write(database, rows, size)
    time.sleep(2)
    stop(child)
    equal(restored(gateway, config, database), (rows + 1, rows * size + 1), "rows and bytes restored")
    return bucket, database, config


def small(gateway):
    there_and_back(gateway, 100, 500)


def multipart(gateway):
    """A first copy of the whole database above the size of a part."""
    bucket = gateway.bucket()
    database, config = configured(gateway, bucket)
    write(database, 24, MIB)
    child = replicate(gateway, config)
    time.sleep(3)
    stop(child)
    equal(restored(gateway, config, database), (24, 24 * MIB), "rows and bytes restored")


def resumed(gateway):
    """Killed in the midst of writes; another one goes on from what the store has."""
    bucket = gateway.bucket()
    database, config = configured(gateway, bucket)
    for turn in range(3):
        write(database, 50, 2000)
        child = replicate(gateway, config)
        write(database, 50, 2000)
        time.sleep(1.5)
        if turn < 2:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        else:
            stop(child)
    equal(restored(gateway, config, database), (300, 600_000), "rows and bytes restored")


def listed(gateway):
    bucket, database, config = there_and_back(gateway, 20, 100)
    lines = gateway.run(LITESTREAM, "ltx", "-config", config, database).splitlines()
    if len(lines) < 2:
        raise AssertionError(f"litestream lists no files: {lines}")


def removed(gateway):
    """Merged files are removed in bulk, with Content-MD5."""
    bucket = gateway.bucket()
    database, config = configured(gateway, bucket)
    write(database, 1, 1)
    child = replicate(gateway, config)
    seen = set()
    for _ in range(16):
        write(database, 5, 300)
        time.sleep(0.75)
        seen |= {found["Key"] for found in gateway.s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
    stop(child)
    left = {found["Key"] for found in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]}
    if not seen - left:
        raise AssertionError(f"nothing was removed of {len(seen)} objects")
    equal(restored(gateway, config, database), (81, 24_001), "rows and bytes restored")


CLIENTS = [
    Client(
        "litestream",
        version=lambda: version_of(LITESTREAM, "version"),
        install=install,
        cells={
            "small": small, "multipart": multipart, "resume": resumed, "list": listed, "delete": removed,
            "conditional": program(LEASES).cell("conditional"),
        },
    )
]
