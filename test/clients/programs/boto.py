"""boto3's part of the clients lane: `boto.py COLUMN`."""
import io
import os
import sys
from pathlib import Path

import boto3
from botocore.config import Config

BUCKET = os.environ["LANE_BUCKET"]
SCRATCH = Path(os.environ["LANE_SCRATCH"])
MIB = 1024 * 1024


def client(secured: bool = False, **settings):
    return boto3.client(
        "s3",
        endpoint_url=os.environ["LANE_TLS_ENDPOINT" if secured else "LANE_ENDPOINT"],
        verify=os.environ["LANE_CA_FILE"],
        config=Config(s3={"addressing_style": "path"}, **settings),
    )


def small() -> None:
    for s3 in (client(), client(secured=True)):
        for size in (1, 1000, 65_537):
            body = os.urandom(size)
            for key in ("plain", "small +%é"):
                s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata={"k": "v"}, ContentType="text/x-lane")
                got = s3.get_object(Bucket=BUCKET, Key=key)
                assert got["Body"].read() == body and got["Metadata"] == {"k": "v"} and got["ContentType"] == "text/x-lane", key


if __name__ == "__main__":
    globals()[sys.argv[1]]()
