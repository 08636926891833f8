"""What the demonstration asks of boto3: `boto3_client.py ENDPOINT VERB ARGUMENT…`; the outcome is a line of JSON."""
import json
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT, VERB, *ARGUMENTS = sys.argv[1:]
CONFIG = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
S3 = boto3.client("s3", endpoint_url=ENDPOINT, config=CONFIG)
MIB = 1024 * 1024


def make(bucket: str) -> None:
    S3.create_bucket(Bucket=bucket)


def put(bucket: str, key: str, text: str) -> None:
    S3.put_object(Bucket=bucket, Key=key, Body=text.encode(), Metadata={"author": "demo", "under_score": "kept"})


def get(bucket: str, key: str) -> dict:
    answer = S3.get_object(Bucket=bucket, Key=key)
    return {"text": answer["Body"].read().decode(), "metadata": answer["Metadata"]}


def upload(path: str, bucket: str, key: str) -> None:
    """By parts of 5 MiB, several at once."""
    S3.upload_file(path, bucket, key, Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB))


def download(bucket: str, key: str, path: str) -> None:
    S3.download_file(bucket, key, path)


def head(bucket: str, key: str) -> dict:
    answer = S3.head_object(Bucket=bucket, Key=key)
    return {"encryption": answer.get("ServerSideEncryption"), "cmk": answer.get("SSEKMSKeyId")}


def keys(bucket: str) -> list:
    return [entry["Key"] for entry in S3.list_objects_v2(Bucket=bucket).get("Contents", [])]


VERBS = {action.__name__: action for action in (make, put, get, upload, download, head, keys)}

try:
    print(json.dumps({"result": VERBS[VERB](*ARGUMENTS)}))
except ClientError as error:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    print(json.dumps({"code": error.response["Error"]["Code"], "status": status}))
