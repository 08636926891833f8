"""aws-c-s3's part of the clients lane, by s3transfer on it (boto3's own switch to it forgets the endpoint): `crt.py COLUMN`. It is under aws-cli 2 and the CRT clients of the SDKs."""
import os
from base64 import b64encode

import awscrt.io
import boto3
from awscrt.checksums import crc32, crc64nvme
from botocore.config import Config
from botocore.session import Session
from s3transfer.crt import BotocoreCRTCredentialsWrapper, BotocoreCRTRequestSerializer, CRTTransferManager, create_s3_crt_client
from s3transfer.manager import TransferConfig

from lane import BUCKET, ENDPOINT, MIB, REGION, SCRATCH, equal, run

LOG = SCRATCH / "crt.log"
SIZES = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
s3 = boto3.client("s3", endpoint_url=ENDPOINT, config=Config(s3={"addressing_style": "path"}))


def crt_manager():
    session = Session()
    credentials = BotocoreCRTCredentialsWrapper(session.get_credentials()).to_crt_credentials_provider()
    client = create_s3_crt_client(REGION, credentials, part_size=5 * MIB, use_ssl=False)
    serializer = BotocoreCRTRequestSerializer(session, {"region_name": REGION, "endpoint_url": ENDPOINT})
    return CRTTransferManager(client, serializer, config=SIZES)


def upload(data: bytes, key="object", **extra):
    with crt_manager() as manager:
        manager.upload(file_of(data), BUCKET, key, extra_args=extra).result()


def download(key, file):
    with crt_manager() as manager:
        manager.download(BUCKET, key, str(file)).result()


def file_of(data: bytes) -> str:
    path = SCRATCH / f"file-{len(data)}"
    path.write_bytes(data)
    return str(path)


def there_and_back(data: bytes, key="object", **extra):
    upload(data, key, **extra)
    came_back(data, key)


def came_back(data: bytes, key="object"):
    download(key, SCRATCH / "back")
    equal((SCRATCH / "back").read_bytes() == data, True, "bytes are the same")
    equal(s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"], len(data), "size")


def log() -> str:
    return LOG.read_text(errors="replace")


def small():
    for size in (1, 65_536, 65_537, 4 * MIB):
        there_and_back(os.urandom(size), f"ü +%/{size}")


def empty():
    there_and_back(b"")


def multipart():
    there_and_back(os.urandom(23 * MIB + 1))
    equal(s3.head_object(Bucket=BUCKET, Key="object", PartNumber=1)["PartsCount"], 5, "parts")


def resume():
    """It goes on by ListParts, and compares the checksums that stand there with those of its file."""
    for name, sum_of in (("CRC64NVME", lambda data: crc64nvme(data).to_bytes(8, "big")), ("CRC32", lambda data: crc32(data).to_bytes(4, "big"))):
        bodies = [os.urandom(5 * MIB), os.urandom(100)]
        identity = s3.create_multipart_upload(Bucket=BUCKET, Key=name, ChecksumAlgorithm=name)["UploadId"]
        where = {"Bucket": BUCKET, "Key": name, "UploadId": identity}
        for number, body in enumerate(bodies, 1):
            s3.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm=name)
        listed = s3.list_parts(**where)
        equal((listed["ChecksumAlgorithm"], listed["ChecksumType"]), (name, "FULL_OBJECT" if name == "CRC64NVME" else "COMPOSITE"), "of the upload")
        field = f"Checksum{name}"
        equal([(part["Size"], part[field]) for part in listed["Parts"]],
              [(len(body), b64encode(sum_of(body)).decode()) for body in bodies], "parts")
        done = [{key: part[key] for key in ("PartNumber", "ETag", field)} for part in listed["Parts"]]
        s3.complete_multipart_upload(**where, MultipartUpload={"Parts": done})
        came_back(b"".join(bodies), name)


def ranged():
    """It finds the size by a first range or by the first part, of an object by one PUT and of one by parts."""
    for size in (4 * MIB, 17 * MIB):
        data = os.urandom(size)
        upload(data)
        got = s3.get_object(Bucket=BUCKET, Key="object", PartNumber=1, ChecksumMode="ENABLED")
        equal(got["Body"].read() == data[: 5 * MIB], True, "part 1")
        came_back(data)
    if "partNumber=1" not in log() and "range:bytes=0-" not in log().lower():
        raise AssertionError("the log tells of no request for the first part")


def conditional():
    """Its ranges have the ETag of the first answer as a condition, which its log shows as it signs."""
    there_and_back(os.urandom(17 * MIB))
    if "if-match:" not in log().lower():
        raise AssertionError("the log tells of no If-Match")


def summed():
    for name in ("CRC64NVME", "CRC32C", "CRC32", "SHA1", "SHA256"):
        for size in (1000, 12 * MIB):
            data = os.urandom(size)
            there_and_back(data, f"{name}-{size}", ChecksumAlgorithm=name)
            head = s3.head_object(Bucket=BUCKET, Key=f"{name}-{size}", ChecksumMode="ENABLED")
            if f"Checksum{name}" not in head:
                raise AssertionError(f"HEAD has no {name} for {size} bytes")
            if name == "CRC64NVME":
                equal(head["ChecksumCRC64NVME"], b64encode(crc64nvme(data).to_bytes(8, "big")).decode(), "sum of the whole")


def special():
    """It reads a number of parts from ETags: that `-0` is none costs a line in its log, and no more."""
    there_and_back(os.urandom(17 * MIB))
    s3.put_object(Bucket=BUCKET, Key="one put", Body=os.urandom(12 * MIB))
    download("one put", SCRATCH / "one")
    equal((SCRATCH / "one").stat().st_size, 12 * MIB, "size")


if __name__ == "__main__":
    awscrt.io.init_logging(awscrt.io.LogLevel.Trace, str(LOG))
    run({"small": small, "empty": empty, "multipart": multipart, "resume": resume, "range": ranged, "conditional": conditional,
         "checksum": summed, "special": special})
