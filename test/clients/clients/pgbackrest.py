"""pgBackRest: backups of PostgreSQL; Debian's speaks TLS alone, and asks for Content-MD5 and for part ETags in every answer."""
from client import Client
from gateway import equal
from installs import apt, version_of
from postgres import BINARIES, Postgres

STANZA = "lane"


class Repository:
    """A server, and a repository in a bucket."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.bucket = gateway.bucket()
        self.config = gateway.scratch / "pgbackrest.conf"
        self.server = Postgres(gateway, f"pgbackrest --config={self.config} --stanza={STANZA} archive-push %p")
        host, port = gateway.tls_endpoint.removeprefix("https://").split(":")
        # It verifies the name, and the certificate has the one for it.
        self.config.write_text(f"""[global]
repo1-type=s3
repo1-path=/repository
repo1-s3-bucket={self.bucket}
repo1-s3-endpoint={host}
repo1-s3-region={gateway.region}
repo1-s3-key={gateway.access_key}
repo1-s3-key-secret={gateway.secret_key}
repo1-s3-uri-style=path
repo1-storage-host=localhost
repo1-storage-port={port}
repo1-storage-ca-file={gateway.ca_file}
repo1-retention-full=1
start-fast=y
archive-timeout=30
log-level-console=warn
log-level-file=off
lock-path={gateway.scratch}/lock
spool-path={gateway.scratch}/spool
[{STANZA}]
pg1-path={self.server.data}
pg1-port={self.server.port}
pg1-socket-path={self.server.socket}
pg1-user=lane
""")

    def run(self, *command) -> str:
        return self.server.as_account("pgbackrest", f"--config={self.config}", f"--stanza={STANZA}", *command)

    def backup(self, kind: str) -> None:
        self.run(f"--type={kind}", "backup")

    def checksum(self) -> str:
        return self.server.sql("select count(*), md5(string_agg(sum, '' order by n)) from lane")

    def restore(self) -> None:
        """Back into an empty directory, from what lies in the bucket alone."""
        self.gateway.run("sh", "-c", f"rm -rf {self.server.data}/*")
        self.run("restore")


def filled(gateway, rows: int) -> tuple[Repository, str]:
    repository = Repository(gateway)
    return repository, f"create table lane as select n, md5(n::text) as sum from generate_series(1, {rows}) n"


def whole(gateway, rows: int = 1000):
    repository, table = filled(gateway, rows)
    with repository.server as server:
        server.sql(table)
        repository.run("stanza-create")
        repository.run("check")
        repository.backup("full")
        before = repository.checksum()
    repository.restore()
    with repository.server.again():
        equal(repository.checksum(), before, "rows")
    return repository


def small(gateway):
    whole(gateway)


def empty(gateway):
    """Empty tables are empty files, and in its bundles and out of them."""
    whole(gateway, 0)


def multipart(gateway):
    """Files above its part size go by parts, and the answer to Complete must have an ETag."""
    repository = whole(gateway, 200_000)
    keys = [item for page in gateway.s3.get_paginator("list_objects_v2").paginate(Bucket=repository.bucket) for item in page["Contents"]]
    parts = [gateway.s3.head_object(Bucket=repository.bucket, Key=item["Key"], PartNumber=1).get("PartsCount", 1) for item in keys if item["Size"] > 5 * 1024**2]
    if not parts or max(parts) < 2:
        raise AssertionError(f"nothing went by parts: {parts}")


def listed(gateway):
    repository, table = filled(gateway, 10)
    with repository.server as server:
        server.sql(table)
        repository.run("stanza-create")
        repository.backup("full")
    if "full backup" not in (shown := repository.run("info")):
        raise AssertionError(f"info: {shown}")
    if "status: ok" not in shown:
        raise AssertionError(f"info: {shown}")


def removed(gateway):
    """Older backups and their logs expire by DeleteObjects, with Content-MD5."""
    repository, table = filled(gateway, 1000)
    with repository.server as server:
        server.sql(table)
        repository.run("stanza-create")
        repository.backup("full")
        first = folders(gateway, repository.bucket)
        repository.backup("full")
        second = folders(gateway, repository.bucket)
    equal((len(first), len(second), bool(first & second)), (1, 1, False), "backups")


def folders(gateway, bucket) -> set[str]:
    found = gateway.s3.list_objects_v2(Bucket=bucket, Prefix=f"repository/backup/{STANZA}/2", Delimiter="/")
    return {item["Prefix"] for item in found.get("CommonPrefixes", [])}


def verified(gateway):
    """It has its own sums of all files, and reads them again."""
    repository, table = filled(gateway, 50_000)
    with repository.server as server:
        server.sql(table)
        repository.run("stanza-create")
        repository.backup("full")
        server.sql("insert into lane select n, 'x' from generate_series(1, 1000) n")
        repository.backup("diff")
        repository.run("verify")


CLIENTS = [
    Client(
        "pgBackRest",
        version=lambda: version_of("pgbackrest", "version"),
        install=lambda: (apt("pgbackrest"), apt("postgresql-15", str(BINARIES / "postgres"))),
        cells={"small": small, "empty": empty, "multipart": multipart, "list": listed, "delete": removed, "checksum": verified},
    )
]
