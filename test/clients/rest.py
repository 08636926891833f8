"""The search for plaintext in the store at rest, with a control that proves that the search would find it."""
import os
from pathlib import Path

import boto3
from botocore.config import Config

import tree
from gateway import REGION, Gateway

CONTROL = "lane-control"


def search(store: str, data: Path, gateway: Gateway) -> bool:
    """Looks where the store keeps its objects, or, when that is memory, at what the store itself serves of them."""
    gateway.s3.put_object(Bucket=gateway.bucket(), Key="sealed", Body=tree.payload(100_000))
    if store == "fs":
        (data / CONTROL).write_bytes(tree.payload(100_000))
        return judge(*tree.search(data))
    direct = boto3.client(
        "s3", endpoint_url=os.environ["TEST_STORE_ENDPOINT"], region_name=REGION,
        aws_access_key_id=os.environ["TEST_STORE_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["TEST_STORE_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )
    direct.create_bucket(Bucket=CONTROL)
    direct.put_object(Bucket=CONTROL, Key=CONTROL, Body=tree.payload(100_000))
    if "TEST_STORE_DATA" in os.environ:
        return judge(*tree.search(Path(os.environ["TEST_STORE_DATA"])))
    return judge(*search_served(direct))


def search_served(direct) -> tuple[int, dict[str, int]]:
    hits = dict.fromkeys(tree.MARKERS, 0)
    total = 0
    for bucket in direct.list_buckets()["Buckets"]:
        for page in direct.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for found in page.get("Contents", []):
                body = direct.get_object(Bucket=bucket["Name"], Key=found["Key"])["Body"].read()
                total += len(body)
                for name, needle in tree.MARKERS.items():
                    hits[name] += needle in body
    return total, hits


def judge(total: int, hits: dict[str, int]) -> bool:
    """The control lies there once; a marker that lies there twice is plaintext at rest."""
    print(f"\nsearched {total} bytes at rest, the control among them: {hits}")
    if not all(hits.values()):
        print("--- search: the control was not found, so the search proves nothing")
    if any(count > 1 for count in hits.values()):
        print("--- search: PLAINTEXT AT REST")
    return set(hits.values()) == {1}
