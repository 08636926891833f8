"""boto3's part of the clients lane: `boto3_sdk.py COLUMN`, over http and, where it does otherwise there, over https."""
import hashlib
import io
import os
import zlib
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from lane import BUCKET, CA_FILE, ENDPOINT, MIB, SCRATCH, TLS_ENDPOINT, equal, run

PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)


def client(endpoint=ENDPOINT, **settings):
    return boto3.client("s3", endpoint_url=endpoint, verify=CA_FILE, config=Config(s3={"addressing_style": "path"}, **settings))


def both():
    return client(), client(TLS_ENDPOINT)


def refused(code, action, **arguments) -> None:
    try:
        action(**arguments)
    except ClientError as error:
        equal(error.response["Error"]["Code"], code, "error")
        return
    raise AssertionError(f"expected {code}, and it succeeded")


def sent(s3, operation, action) -> dict:
    """The headers that went over the wire with the last request of the operation."""
    seen = []
    s3.meta.events.register(f"before-send.s3.{operation}", lambda request, **_: seen.append(dict(request.headers)))
    action()
    # Values are bytes or text, by who set them.
    return {name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in seen[-1].items()}


def small():
    for s3 in both():
        for size in (1, 1000, 65_536, 65_537):
            body = os.urandom(size)
            for key in ("plain", f"small +%é/{size}"):
                s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata={"k": "v"}, ContentType="text/x-lane")
                got = s3.get_object(Bucket=BUCKET, Key=key)
                equal((got["Body"].read(), got["Metadata"], got["ContentType"]), (body, {"k": "v"}, "text/x-lane"), key)


def empty():
    for s3 in both():
        s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
        s3.upload_fileobj(io.BytesIO(), BUCKET, "empty file")
        s3.put_object(Bucket=BUCKET, Key="directory/", ContentType="application/x-directory")
        for key in ("empty", "empty file", "directory/"):
            got = s3.get_object(Bucket=BUCKET, Key=key)
            equal((got["Body"].read(), got["ContentLength"]), (b"", 0), key)
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key="empty part")["UploadId"]
        part = s3.upload_part(Bucket=BUCKET, Key="empty part", UploadId=upload, PartNumber=1, Body=b"")
        s3.complete_multipart_upload(Bucket=BUCKET, Key="empty part", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
        equal(s3.head_object(Bucket=BUCKET, Key="empty part")["ContentLength"], 0, "size of an empty part")


def multipart():
    data = os.urandom(21 * MIB + 7)
    for s3 in both():
        s3.upload_fileobj(io.BytesIO(data), BUCKET, "large", Config=PARTS)
        head = s3.head_object(Bucket=BUCKET, Key="large", PartNumber=1)
        equal((head["PartsCount"], head["ContentLength"]), (5, 5 * MIB), "part 1")
        back = io.BytesIO()
        s3.download_fileobj(BUCKET, "large", back, Config=PARTS)
        equal(back.getvalue() == data, True, "bytes are the same")


def resume():
    """Another client goes on with what ListParts tells of an upload."""
    first, second = both()
    data = [os.urandom(5 * MIB), os.urandom(6 * MIB), os.urandom(9)]
    key = "resumed/ü +"
    upload = first.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    for number in (2, 1):
        first.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=data[number - 1])
    listed = second.list_multipart_uploads(Bucket=BUCKET, Prefix=key)["Uploads"]
    equal([(found["Key"], found["UploadId"]) for found in listed], [(key, upload)], "uploads")
    where = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
    parts = second.list_parts(**where)["Parts"]
    equal([(part["PartNumber"], part["Size"]) for part in parts], [(1, 5 * MIB), (2, 6 * MIB)], "parts")
    equal([part["PartNumber"] for part in second.list_parts(**where, MaxParts=1, PartNumberMarker=1)["Parts"]], [2], "a page of parts")
    third = second.upload_part(**where, PartNumber=3, Body=data[2])
    done = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in [*parts, {"PartNumber": 3, "ETag": third["ETag"]}]]
    second.complete_multipart_upload(**where, MultipartUpload={"Parts": done})
    equal(first.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"".join(data), True, "bytes are the same")
    refused("NoSuchUpload", second.list_parts, **where)
    equal(second.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []), [], "uploads left")


def ranged():
    """botocore checks any checksum that comes with a part of an object, so none may come."""
    data = os.urandom(17 * MIB)
    s3 = client()
    s3.put_object(Bucket=BUCKET, Key="single", Body=data[: 200_000])
    s3.upload_fileobj(io.BytesIO(data), BUCKET, "parts", Config=PARTS)
    for key, whole in (("single", data[:200_000]), ("parts", data)):
        size = len(whole)
        for first, last in ((0, 0), (65_535, 65_536), (1, 150_000), (size // 2, size // 2 + 99_999), (size - 70_000, size - 1), (size - 5, size + 5)):
            got = s3.get_object(Bucket=BUCKET, Key=key, Range=f"bytes={first}-{last}", ChecksumMode="ENABLED")
            last = min(last, size - 1)
            equal((got["Body"].read() == whole[first : last + 1], got["ContentRange"], got["ContentLength"]),
                  (True, f"bytes {first}-{last}/{size}", last - first + 1), f"{key} {first}-{last}")
            equal([name for name in got if name.startswith("Checksum")], [], "checksums on a range")
        equal(s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=-9")["Body"].read(), whole[-9:], "suffix")
        refused("InvalidRange", s3.get_object, Bucket=BUCKET, Key=key, Range=f"bytes={size}-")
    # Ranges of a download have the ETag of its beginning as a condition.
    equal("if-match" in sent(s3, "GetObject", lambda: s3.download_fileobj(BUCKET, "parts", io.BytesIO(), Config=PARTS)), True, "If-Match of a download")
    refused("PreconditionFailed", s3.get_object, Bucket=BUCKET, Key="parts", Range="bytes=0-1", IfMatch='"0123456789abcdef0123456789abcdef-0"')


def listed():
    s3 = client()
    keys = sorted((f"d{index % 3}/{index} +%&<ü>" for index in range(303)), key=str.encode)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode()), keys))
    sizes = [(key, len(key.encode())) for key in keys]
    for operation in ("list_objects", "list_objects_v2"):
        for page_size in (1000, 70):
            pages = s3.get_paginator(operation).paginate(Bucket=BUCKET, PaginationConfig={"PageSize": page_size})
            equal([(found["Key"], found["Size"]) for page in pages for found in page["Contents"]], sizes, operation)
        folded = getattr(s3, operation)(Bucket=BUCKET, Delimiter="/")
        equal([prefix["Prefix"] for prefix in folded["CommonPrefixes"]], ["d0/", "d1/", "d2/"], "common prefixes")
    equal([found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET, StartAfter=keys[100], MaxKeys=2)["Contents"]], keys[101:103], "start-after")
    found, head = s3.list_objects_v2(Bucket=BUCKET, MaxKeys=1)["Contents"][0], s3.head_object(Bucket=BUCKET, Key=keys[0])
    equal((found["ETag"], found["LastModified"].replace(microsecond=0)), (head["ETag"], head["LastModified"]), "LIST and HEAD")


def copied():
    data = os.urandom(12 * MIB)
    s3 = client()
    s3.put_object(Bucket=BUCKET, Key="from ü+", Body=data, Metadata={"a": "1"})
    source = {"Bucket": BUCKET, "Key": "from ü+"}
    s3.copy_object(Bucket=BUCKET, Key="one", CopySource=source)
    # By parts, each on the condition that the source has not changed.
    headers = sent(s3, "UploadPartCopy", lambda: s3.copy(source, BUCKET, "two", Config=PARTS))
    equal("x-amz-copy-source-if-match" in headers, True, "condition on copies of parts")
    for key in ("one", "two"):
        equal(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == data, True, f"{key}: bytes are the same")
    etag = s3.head_object(**source)["ETag"]
    s3.copy_object(Bucket=BUCKET, Key="three", CopySource=source, CopySourceIfMatch=etag)
    refused("PreconditionFailed", s3.copy_object, Bucket=BUCKET, Key="three", CopySource=source, CopySourceIfNoneMatch=etag)
    s3.copy_object(CopySource=source, **source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    got = s3.get_object(**source)
    equal((got["Metadata"], got["Body"].read() == data), ({"b": "2"}, True), "replaced metadata")
    refused("InvalidRequest", s3.copy_object, CopySource=source, **source)


def removed():
    """Its deletions bring a CRC32, and no Content-MD5."""
    s3 = client()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: s3.put_object(Bucket=BUCKET, Key=f"ü{index} +&", Body=b""), range(300)))
    names = [{"Key": f"ü{index} +&"} for index in range(1000)]
    answers = []
    headers = sent(s3, "DeleteObjects", lambda: answers.append(s3.delete_objects(Bucket=BUCKET, Delete={"Objects": names})))
    equal(("x-amz-checksum-crc32" in headers, "content-md5" in headers), (True, False), "checksums of the request")
    equal((len(answers[0]["Deleted"]), answers[0].get("Errors", [])), (1000, []), "deleted, those that were not there too")
    equal(s3.list_objects_v2(Bucket=BUCKET)["KeyCount"], 0, "left")
    refused("MalformedXML", s3.delete_objects, Bucket=BUCKET, Delete={"Objects": [*names, {"Key": "one more"}]})


def conditional():
    s3 = client()
    etag = s3.put_object(Bucket=BUCKET, Key="a", Body=b"1", IfNoneMatch="*")["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="a", Body=b"2", IfNoneMatch="*")
    again = s3.put_object(Bucket=BUCKET, Key="a", Body=b"2", IfMatch=etag)["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="a", Body=b"3", IfMatch=etag)
    equal(s3.get_object(Bucket=BUCKET, Key="a", IfMatch=again)["Body"].read(), b"2", "body")
    refused("304", s3.get_object, Bucket=BUCKET, Key="a", IfNoneMatch=again)
    refused("304", s3.head_object, Bucket=BUCKET, Key="a", IfNoneMatch=again)
    refused("PreconditionFailed", s3.get_object, Bucket=BUCKET, Key="a", IfMatch=etag)


def summed():
    data = os.urandom(6 * MIB)
    crc = b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    for s3 in both():
        for name, value in (("CRC32", crc), ("SHA1", digest("sha1", data)), ("SHA256", digest("sha256", data))):
            put = s3.put_object(Bucket=BUCKET, Key=name, Body=data, ChecksumAlgorithm=name)
            got = s3.get_object(Bucket=BUCKET, Key=name, ChecksumMode="ENABLED")
            field = f"Checksum{name}"
            equal((put[field], got[field], got["ChecksumType"], got["Body"].read() == data), (value, value, "FULL_OBJECT", True), name)
            refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="bad", Body=data[1:], **{field: value})
        refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="bad", Body=data, ContentMD5=digest("md5", b""))
        for kind in ("COMPOSITE", "FULL_OBJECT"):
            upload = s3.create_multipart_upload(Bucket=BUCKET, Key=kind, ChecksumAlgorithm="CRC32", ChecksumType=kind)["UploadId"]
            where = {"Bucket": BUCKET, "Key": kind, "UploadId": upload}
            parts = []
            for number, body in enumerate((data[: 5 * MIB], data[5 * MIB :]), 1):
                part = s3.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
                parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
            done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
            equal((done["ChecksumType"], done["ChecksumCRC32"].endswith("-2")), (kind, kind == "COMPOSITE"), "checksum of parts")
            if kind == "FULL_OBJECT":
                equal(done["ChecksumCRC32"], crc, "checksum of the whole")
            equal(s3.get_object(Bucket=BUCKET, Key=kind, ChecksumMode="ENABLED")["Body"].read() == data, True, "bytes are the same")


def digest(algorithm, data) -> str:
    return b64encode(hashlib.new(algorithm, data).digest()).decode()


def special():
    """Over https bodies come in chunks, their checksum behind them, and no Content-Length; and only after 100 Continue."""
    s3 = client(TLS_ENDPOINT)
    data = os.urandom(3 * MIB + 5)
    file = SCRATCH / "body"
    file.write_bytes(data)
    with open(file, "rb") as body:
        headers = sent(s3, "PutObject", lambda: s3.put_object(Bucket=BUCKET, Key="chunked", Body=body))
    equal((headers["transfer-encoding"], headers["x-amz-content-sha256"], headers["expect"], "content-length" in headers),
          ("chunked", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "100-continue", False), "framing")
    equal(s3.get_object(Bucket=BUCKET, Key="chunked")["Body"].read() == data, True, "bytes are the same")
    equal(s3.head_object(Bucket=BUCKET, Key="chunked").get("ContentEncoding"), None, "no aws-chunked is kept")


if __name__ == "__main__":
    run({
        "small": small, "empty": empty, "multipart": multipart, "resume": resume, "range": ranged, "list": listed, "copy": copied,
        "delete": removed, "conditional": conditional, "checksum": summed, "special": special,
    })
