"""barman-cloud: backups and logs of PostgreSQL by Debian's boto3. A deletion that lacks a checksum it repeats key by key."""
import re

from client import Client
from gateway import MIB, equal, same_bytes, sha256
from installs import apt, version_of
from postgres import Postgres


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
    wal(gateway, 1, 1000)


def empty(gateway):
    wal(gateway, 0)


def whole(gateway):
    """A backup of a running server by parts; it is listed, restored, started, and removed."""
    bucket = gateway.bucket()
    with Postgres(gateway, f"{program('wal-archive')} --endpoint-url {gateway.endpoint} s3://{bucket} lane %p") as server:
        server.sql("create table lane as select n, md5(n::text) as sum from generate_series(1, 200000) n")
        url = f"s3://{bucket}"
        cloud(gateway, "backup", "--immediate-checkpoint", "-h", server.socket, "-p", server.port, "-U", "lane", url, "lane", **server.env)
        server.sql("select pg_switch_wal()")
        before = server.sql("select sum(n), md5(string_agg(sum, '' order by n)) from lane")
    [identity] = re.findall(r"\d{8}T\d{6}", cloud(gateway, "backup-list", url, "lane"))[:1]
    tar = next(item["Key"] for page in gateway.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket) for item in page["Contents"] if item["Key"].endswith("data.tar"))
    if gateway.s3.head_object(Bucket=bucket, Key=tar, PartNumber=1).get("PartsCount", 1) < 2:
        raise AssertionError("the backup did not go by parts")
    restored = gateway.scratch / "restored"
    cloud(gateway, "restore", url, "lane", identity, restored)
    command = f"{program('wal-restore')} --endpoint-url {gateway.endpoint} {url} lane %f %p"
    with Postgres(gateway, "", directory=restored, restore_command=command) as server:
        equal(server.sql("select sum(n), md5(string_agg(sum, '' order by n)) from lane"), before, "rows")
    return url, identity


def program(name):
    return f"barman-cloud-{name}"


def backup(gateway):
    whole(gateway)


def listed(gateway):
    bucket = wal(gateway, 100, 200)
    cloud(gateway, "check-wal-archive", f"s3://{bucket}", "other")
    gateway.must_fail("Expected empty archive", "barman-cloud-check-wal-archive", "--endpoint-url", gateway.endpoint, f"s3://{bucket}", "lane")
    equal(re.findall(r"\d{8}T\d{6}", cloud(gateway, "backup-list", f"s3://{bucket}", "lane")), [], "backups")


def removed(gateway):
    """Without a checksum DeleteObjects is MissingContentMD5 or passes, as S3's answer says; either way all goes."""
    url, identity = whole(gateway)
    bucket = url.removeprefix("s3://")
    cloud(gateway, "backup-delete", url, "lane", "-b", identity)
    left = [item["Key"] for item in gateway.s3.list_objects_v2(Bucket=bucket).get("Contents", []) if "/base/" in item["Key"]]
    equal(left, [], "left of the backup")


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
