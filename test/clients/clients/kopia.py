"""kopia: a backup repository through minio-go, with Content-MD5 on every write, and its own trial of a storage."""
from client import Client
from gateway import MIB, equal, same_bytes
from installs import BIN, go, version_of

RELEASE = "v0.23.1"
KOPIA = BIN / f"kopia-{RELEASE}"


def repository(gateway):
    env = {
        "KOPIA_PASSWORD": "lane",
        "KOPIA_CONFIG_PATH": str(gateway.scratch / "kopia.config"),
        "KOPIA_CACHE_DIRECTORY": str(gateway.scratch / "cache"),
        "KOPIA_LOG_DIR": str(gateway.scratch / "log"),
        "KOPIA_CHECK_FOR_UPDATES": "false",
    }
    gateway.run(KOPIA, "repository", "create", "s3", "--bucket", gateway.bucket(), "--prefix", "kopia/", "--endpoint", gateway.host, "--disable-tls",
                "--region", gateway.region, "--access-key", gateway.access_key, "--secret-access-key", gateway.secret_key, **env)
    return env


def there_and_back(gateway, *sizes):
    env = repository(gateway)
    for index, size in enumerate(sizes):
        gateway.file(size, f"source/{index}")
    gateway.run(KOPIA, "snapshot", "create", "source", **env)
    gateway.run(KOPIA, "snapshot", "verify", "--verify-files-percent", "100", **env)
    gateway.run(KOPIA, "restore", gateway.scratch / "source", "out", **env)
    for index in range(len(sizes)):
        same_bytes(gateway.scratch / f"source/{index}", gateway.scratch / f"out/{index}")
    return env


def small(gateway):
    there_and_back(gateway, 1, 1000, 65_537, 3 * MIB)


def empty(gateway):
    there_and_back(gateway, 0)


def storage(gateway):
    """kopia's own trial: ranges from 0 bytes on and behind the end, missing blobs, lists, and reads and writes side by side."""
    env = repository(gateway)
    gateway.run(KOPIA, "repository", "validate-provider", "--concurrency-test-duration", "3s", "--put-blob-workers", "2",
                "--get-blob-workers", "2", "--get-metadata-workers", "2", "--num-storage-connections", "2", **env)


def listed(gateway):
    """Thousands of small files, twice; the second time nothing is new."""
    env = repository(gateway)
    for index in range(2000):
        gateway.file(100 + index % 50, f"source/{index % 20}/{index}")
    gateway.run(KOPIA, "snapshot", "create", "source", **env)
    gateway.run(KOPIA, "snapshot", "create", "source", **env)
    equal(gateway.run(KOPIA, "snapshot", "list", "--json", **env).count('"startTime"'), 2, "snapshots")
    gateway.run(KOPIA, "blob", "list", **env)
    gateway.run(KOPIA, "snapshot", "verify", "--verify-files-percent", "100", **env)


def removed(gateway):
    env = there_and_back(gateway, 5 * MIB)
    gateway.run(KOPIA, "snapshot", "delete", "--all-snapshots-for-source", gateway.scratch / "source", "--delete", **env)
    gateway.run(KOPIA, "maintenance", "run", "--full", "--safety", "none", **env)
    equal(gateway.run(KOPIA, "snapshot", "list", "--json", **env).count('"startTime"'), 0, "snapshots")
    equal([line for line in gateway.run(KOPIA, "blob", "list", "--prefix", "p", **env).splitlines() if line.startswith("p")], [], "packs left")


CLIENTS = [
    Client(
        "kopia",
        version=lambda: RELEASE.removeprefix("v"),  # it only knows its own when its makefile builds it
        install=lambda: go(f"github.com/kopia/kopia@{RELEASE}", "kopia") and version_of(KOPIA, "--version", pattern="build") and None,
        cells={"small": small, "empty": empty, "range": storage, "list": listed, "delete": removed},
    )
]
