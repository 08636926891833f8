"""The Java SDKs: they compare MD5s with ETags unless they see SSE-KMS, and sign chunks of 128 KiB; the programs are in programs/java."""
from client import Client
from gateway import program
from installs import install_java, java_program, version_of

COLUMNS = ("small", "empty", "multipart", "range", "list", "copy", "delete", "conditional", "checksum", "special")


def of(title, name, main, **versions):
    command = [*java_program(name, **versions), main]
    return Client(
        title,
        version=lambda: version_of(*command, "version"),
        install=lambda: install_java(name, **versions),
        cells=program(*command).cells(*COLUMNS),
    )


CLIENTS = [
    of("Java SDK 2", "sdkv2", "SdkV2", sdkv2="2.57.8"),
    # The last that compares the ETag of a PUT with an MD5.
    of("Java SDK 2 (old)", "sdkv2", "SdkV2", sdkv2="2.29.52"),
    of("Java SDK 1", "sdkv1", "SdkV1", sdkv1="1.12.797"),
    of("Java SDK 1 (old)", "sdkv1", "SdkV1", sdkv1="1.11.1034"),
]
