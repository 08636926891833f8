"""boto3; the program is programs/boto3_sdk.py."""
from concurrent.futures import ThreadPoolExecutor

import boto3

from client import COLUMNS, Client
from gateway import program
from installs import HERE, LANES

PROGRAM = HERE / "programs/boto3_sdk.py"


def python():
    """The lane's own environment."""
    return LANES / "venv/bin/python"


def tree(gateway, carried):
    s3, bucket, out = gateway.s3, gateway.bucket(), gateway.scratch / "out"

    def each(action):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(action, carried.want))

    def fetch(key):
        (out / key).parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(out / key))

    def back():
        each(fetch)
        carried.must_equal(out)

    def listed():
        found = {item["Key"]: item["Size"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
                 for item in page.get("Contents", [])}
        if found != {key: size for key, (size, _) in carried.want.items()}:
            raise AssertionError("the list differs in names or sizes")

    def headed():
        def one(key):
            head, got = s3.head_object(Bucket=bucket, Key=key), s3.get_object(Bucket=bucket, Key=key)
            length = sum(len(chunk) for chunk in got["Body"].iter_chunks(1 << 20))
            if not head["ContentLength"] == got["ContentLength"] == length == carried.want[key][0]:
                raise AssertionError(f"{key}: HEAD {head['ContentLength']}, GET {got['ContentLength']}, body {length}")

        each(one)

    carried.step("upload_file of all", lambda: each(lambda key: s3.upload_file(str(carried.source / key), bucket, key)))
    carried.step("LIST", listed)
    carried.step("HEAD, GET of all keys", headed)
    carried.step("download_file, compare", back)


CLIENTS = [
    Client(
        "boto3",
        version=lambda: boto3.__version__,
        install=lambda: None,
        cells=program(python, PROGRAM).cells(*COLUMNS),
        tree=tree,
    )
]
