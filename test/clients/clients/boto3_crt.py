"""aws-c-s3 (CRT) under boto3's transfers; the program is programs/crt.py."""
from client import Client
from gateway import program
from installs import HERE, venv, version_of

PROGRAM = HERE / "programs/crt.py"


def python():
    return venv("boto3-crt", "boto3[crt]==1.44.8") / "python"


CLIENTS = [
    Client(
        "aws-c-s3 (boto3[crt])",
        version=lambda: version_of(python(), "-c", "import importlib.metadata as m; print('awscrt', m.version('awscrt'))"),
        install=python,
        cells=program(python, PROGRAM).cells("small", "empty", "multipart", "resume", "range", "conditional", "checksum", "special"),
    )
]
