"""restic: a backup repository of many small files; through minio-go."""
from client import Client
from gateway import MIB, equal, same_bytes
from installs import BIN, apt, go, version_of

RELEASE = "v0.19.1"
NEWEST = BIN / f"restic-{RELEASE}"


def repository(gateway, password="lane"):
    bucket = gateway.bucket()
    env = {
        "RESTIC_REPOSITORY": f"s3:{gateway.endpoint}/{bucket}/repository",
        "RESTIC_PASSWORD": password,
        "RESTIC_CACHE_DIR": str(gateway.scratch / "cache"),
    }
    return bucket, env


def cells_of(restic):
    def there_and_back(gateway, *sizes):
        _, env = repository(gateway)
        for index, size in enumerate(sizes):
            gateway.file(size, f"source/{index}")
        gateway.run(restic, "init", **env)
        gateway.run(restic, "backup", "source", **env)
        gateway.run(restic, "check", "--read-data", **env)
        gateway.run(restic, "restore", "latest", "--target", "out", **env)
        for index in range(len(sizes)):
            same_bytes(gateway.scratch / f"source/{index}", gateway.scratch / f"out/source/{index}")
        return env

    def small(gateway):
        there_and_back(gateway, 1, 1000, 65_537)

    def empty(gateway):
        there_and_back(gateway, 0)

    def part_of_a_pack(gateway):
        """Blobs are read from packs by ranges; a damaged index makes it look for what is behind the end of one, as for 416."""
        env = there_and_back(gateway, 20 * MIB, 7)
        gateway.run(restic, "rebuild-index", "--read-all-packs", **env)
        out = gateway.run(restic, "dump", "latest", "/source/1", **env)
        if not out:
            raise AssertionError("dump is empty")

    def listed(gateway):
        """Thousands of small files, in snapshots that share them."""
        _, env = repository(gateway)
        for index in range(1200):
            gateway.file(100 + index % 50, f"source/{index % 20}/{index}")
        gateway.run(restic, "init", **env)
        gateway.run(restic, "backup", "source", **env)
        gateway.run(restic, "backup", "source", **env)
        equal(gateway.run(restic, "snapshots", "--json", **env).count('"short_id"'), 2, "snapshots")
        gateway.run(restic, "check", "--read-data", **env)

    def removed(gateway):
        _, env = repository(gateway)
        gateway.file(3 * MIB, "source/0")
        gateway.run(restic, "init", **env)
        gateway.run(restic, "backup", "source", **env)
        gateway.file(3 * MIB, "source/0")
        gateway.run(restic, "backup", "source", **env)
        gateway.run(restic, "forget", "--keep-last", "1", "--prune", **env)
        equal(gateway.run(restic, "snapshots", "--json", **env).count('"short_id"'), 1, "snapshots")
        gateway.run(restic, "check", "--read-data", **env)

    return {"small": small, "empty": empty, "range": part_of_a_pack, "list": listed, "delete": removed}


def tree_of(restic):
    def tree(gateway, carried):
        _, env = repository(gateway)
        carried.step("init", lambda: gateway.run(restic, "init", **env))
        carried.step("backup", lambda: gateway.run(restic, "backup", carried.source, timeout=1800, **env))
        carried.step("check --read-data", lambda: gateway.run(restic, "check", "--read-data", timeout=1800, **env))
        out = gateway.scratch / "out"

        def restore():
            gateway.run(restic, "restore", "latest", "--target", out, timeout=1800, **env)
            carried.must_equal(out / carried.source.relative_to("/"))

        carried.step("restore, compare", restore)

    return tree


CLIENTS = [
    Client(
        "restic (Debian)",
        version=lambda: version_of("restic", "version"),
        install=lambda: apt("restic"),
        cells=cells_of("restic"),
        tree=tree_of("restic"),
    ),
    Client(
        "restic",
        version=lambda: version_of(NEWEST, "version"),
        install=lambda: go(f"github.com/restic/restic@{RELEASE}", "restic", "./cmd/restic") and None,
        cells=cells_of(NEWEST),
    ),
]
