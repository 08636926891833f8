"""The Go SDKs, each in an old and a new release of one program; the programs are in programs/go."""
from client import Client
from gateway import program
from installs import LANES, go_program, version_of

COLUMNS = ("small", "empty", "multipart", "range", "list", "copy", "delete", "conditional", "checksum", "special")


def of(title, name, modules):
    built = LANES / "programs" / f"{name}-{modules.removesuffix('.mod')}"
    return Client(
        title,
        version=lambda: version_of(built, "version"),
        install=lambda: go_program(name, modules) and None,
        cells=program(built).cells(*COLUMNS),
    )


CLIENTS = [
    of("Go SDK 2", "sdkv2", "go.mod"),
    # The last before checksums by default.
    of("Go SDK 2 (old)", "sdkv2", "old.mod"),
    of("Go SDK 1", "sdkv1", "go.mod"),
    # Of those that ask for `x-amz-te`.
    of("Go SDK 1 (old)", "sdkv1", "old.mod"),
    of("minio-go", "miniogo", "go.mod"),
    of("minio-go (old)", "miniogo", "old.mod"),
]
