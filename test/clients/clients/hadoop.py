"""Hadoop's S3A, without the rest of Hadoop; the program is in programs/java."""
from client import Client
from gateway import program
from installs import install_java, java_program, version_of

RELEASE = {"hadoop": "3.5.0"}
S3A = [*java_program("hadoop", **RELEASE), "S3a"]

CLIENTS = [
    Client(
        "Hadoop S3A",
        version=lambda: version_of(*S3A, "version"),
        install=lambda: install_java("hadoop", **RELEASE),
        cells=program(*S3A).cells("small", "empty", "multipart", "range", "list", "copy", "delete", "conditional", "checksum", "special"),
    )
]
