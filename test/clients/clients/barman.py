"""barman-cloud: backups and logs of PostgreSQL by Debian's boto3. A deletion that lacks a checksum it repeats key by key."""
import re

from client import Client
from gateway import MIB, equal, same_bytes, sha256
from installs import apt, version_of
from postgres import Postgres

ROWS = "select count(*), md5(string_agg(sum, '' order by n)) from lane"


def cloud(gateway, name, *command, **env):
    return gateway.run(f"barman-cloud-{name}", "--endpoint-url", gateway.endpoint, *command, **env)


def wal(gateway, *sizes):
    bucket = gateway.bucket()
    for index, size in enumerate(sizes, 1):
        file = gateway.file(size, f"wal/{index:024X}")
        cloud(gateway, "wal-archive", f"s3://{bucket}", "lane", file)
        cloud(gateway, "wal-restore", f"s3://{bucket}", "lane", file.name, gateway.scratch / f"back-{index}")
        same_bytes(file, gateway.scratch / f"back-{index}")
    return bucket


def small(gateway):
    wal(gateway, 1000)


def empty(gateway):
    wal(gateway, 0)


def archived(gateway, bucket):
    return Postgres(gateway, f"{program('wal-archive')} --endpoint-url {gateway.endpoint} s3://{bucket} lane %p")


def taken(gateway, server, bucket) -> str:
    """A backup of a running server; returns its name."""
    url = f"s3://{bucket}"
    cloud(gateway, "backup", "--immediate-checkpoint", "-h", server.socket, "-p", server.port, "-U", "lane", url, "lane", **server.env)
    [identity, *_] = re.findall(r"\d{8}T\d{6}", cloud(gateway, "backup-list", url, "lane"))
    return identity


def backup(gateway):
    """By parts; and restored into a server that runs on from its logs."""
    bucket = gateway.bucket()
    with archived(gateway, bucket) as server:
        server.sql("create table lane as select n, md5(n::text) as sum from generate_series(1, 50000) n")
        identity = taken(gateway, server, bucket)
        server.sql("select pg_switch_wal()")
        before = server.sql(ROWS)
    keys = [item["Key"] for item in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    [tar] = [key for key in keys if key.endswith("data.tar")]
    if "PartsCount" not in gateway.s3.head_object(Bucket=bucket, Key=tar, PartNumber=1):
        raise AssertionError("the backup did not go by parts")
    restored = gateway.scratch / "restored"
    cloud(gateway, "restore", f"s3://{bucket}", "lane", identity, restored)
    command = f"{program('wal-restore')} --endpoint-url {gateway.endpoint} s3://{bucket} lane %f %p"
    with Postgres(gateway, "", directory=restored, restore_command=command) as server:
        equal(server.sql(ROWS), before, "rows")


def program(name):
    return f"barman-cloud-{name}"


def listed(gateway):
    bucket = wal(gateway, 100)
    cloud(gateway, "check-wal-archive", f"s3://{bucket}", "other")
    gateway.must_fail("Expected empty archive", "barman-cloud-check-wal-archive", "--endpoint-url", gateway.endpoint, f"s3://{bucket}", "lane")
    equal(re.findall(r"\d{8}T\d{6}", cloud(gateway, "backup-list", f"s3://{bucket}", "lane")), [], "backups")


def removed(gateway):
    """Without a checksum DeleteObjects is MissingContentMD5 or passes, as S3's answer says; either way all goes."""
    bucket = gateway.bucket()
    with archived(gateway, bucket) as server:
        identity = taken(gateway, server, bucket)
    cloud(gateway, "backup-delete", f"s3://{bucket}", "lane", "-b", identity)
    equal(gateway.s3.list_objects_v2(Bucket=bucket, Prefix="lane/base/").get("KeyCount"), 0, "left of the backup")


def large_file(gateway):
    file = gateway.file(16 * MIB, "wal/000000010000000000000001")
    bucket = gateway.bucket()
    cloud(gateway, "wal-archive", "--encryption", "aws:kms", f"s3://{bucket}", "lane", file)
    cloud(gateway, "wal-restore", f"s3://{bucket}", "lane", file.name, gateway.scratch / "back")
    equal(sha256(gateway.scratch / "back"), sha256(file), "hash")


CLIENTS = [
    Client(
        "barman-cloud",
        version=lambda: version_of("barman-cloud-backup", "--version"),
        install=lambda: (
            apt("barman-cli-cloud", "barman-cloud-backup"),
            apt("python3-boto3", "/usr/lib/python3/dist-packages/boto3/__init__.py"),
            apt("postgresql-15", "/usr/lib/postgresql/15/bin/postgres"),
        ),
        cells={"small": small, "empty": empty, "multipart": backup, "list": listed, "delete": removed, "special": large_file},
    )
]
