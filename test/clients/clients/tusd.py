"""tusd: resumable uploads by the tus protocol, whose offset is what the parts on the store add up to."""
import os
import urllib.error
import urllib.request

from client import Client
from gateway import MIB, equal, free_port, same_bytes
from installs import BIN, go

RELEASE = "v2.10.0"
TUSD = BIN / f"tusd-{RELEASE}"
PART = 5 * MIB


class Server:
    """One tusd on a bucket; another one on the same bucket goes on where it was killed."""

    def __init__(self, gateway, bucket):
        self.address = f"http://127.0.0.1:{(port := free_port())}/files/"
        self.child = gateway.start(TUSD, "-host", "127.0.0.1", "-port", port, "-s3-bucket", bucket, "-s3-endpoint", gateway.endpoint,
                                   "-s3-part-size", PART, until=self.address)

    def call(self, method, address, body=b"", **headers):
        request = urllib.request.Request(address, data=body or None, method=method)
        request.add_header("Tus-Resumable", "1.0.0")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), str(value))
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {address}: {error.code} {error.read()[:500]!r}") from None

    def create(self, length, **headers):
        """Ids are of the object and of the store's upload, with a plus between them."""
        headers, _ = self.call("POST", self.address, Upload_Length=length, **headers)
        return headers["Location"].rpartition("/files/")[2]

    def patch(self, upload, offset, body):
        headers, _ = self.call("PATCH", self.address + upload, body, Upload_Offset=offset, Content_Type="application/offset+octet-stream")
        return int(headers["Upload-Offset"])

    def offset(self, upload):
        headers, _ = self.call("HEAD", self.address + upload)
        return int(headers["Upload-Offset"])

    def get(self, upload):
        return self.call("GET", self.address + upload)[1]


def whole(gateway, size):
    data = gateway.payload(size)
    bucket = gateway.bucket()
    server = Server(gateway, bucket)
    upload = server.create(size)
    if size:
        equal(server.patch(upload, 0, data), size, "offset")
    same_bytes(server.get(upload), data)
    same_bytes(gateway.s3.get_object(Bucket=bucket, Key=upload.partition("+")[0])["Body"].read(), data)
    return bucket, server, upload


def small(gateway):
    for size in (1, 65_537):
        whole(gateway, size)


def empty(gateway):
    """One part of 0 bytes."""
    whole(gateway, 0)


def multipart(gateway):
    whole(gateway, 3 * PART + 12_345)


def resumed(gateway):
    """Killed between PATCHes, once after whole parts, and once with less than a part kept beside."""
    data = gateway.payload(3 * PART)
    bucket = gateway.bucket()
    server = Server(gateway, bucket)
    upload = server.create(len(data))
    at = 0
    for size in (PART + 1000, 3000, 2 * PART - 4000):
        equal(server.offset(upload), at, "offset before a PATCH")
        at = server.patch(upload, at, data[at : at + size])
        os.killpg(server.child.pid, 9)
        server.child.wait()
        server = Server(gateway, bucket)
    equal(at, len(data), "bytes sent")
    same_bytes(server.get(upload), data)


def concatenated(gateway):
    """Uploads of their own become one, by copies of whole objects as parts."""
    bucket = gateway.bucket()
    server = Server(gateway, bucket)
    pieces = [gateway.payload(PART), gateway.payload(PART + 7), gateway.payload(100)]
    uploads = []
    for piece in pieces:
        uploads.append(server.create(len(piece), Upload_Concat="partial"))
        server.patch(uploads[-1], 0, piece)
    headers, _ = server.call("POST", server.address, Upload_Concat="final;" + " ".join(f"/files/{upload}" for upload in uploads))
    same_bytes(server.get(headers["Location"].rpartition("/files/")[2]), b"".join(pieces))


def terminated(gateway):
    """Under way and finished; nothing is left."""
    bucket, server, upload = whole(gateway, 2 * PART)
    server.call("DELETE", server.address + upload)
    begun = server.create(2 * PART)
    server.patch(begun, 0, gateway.payload(PART + 10))
    server.call("DELETE", server.address + begun)
    equal(gateway.s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "objects left")
    equal(gateway.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []), [], "uploads left")


CLIENTS = [
    Client(
        "tusd",
        version=lambda: RELEASE.removeprefix("v"),
        install=lambda: go(f"github.com/tus/tusd/v2@{RELEASE}", "tusd", "./cmd/tusd") and None,
        cells={"small": small, "empty": empty, "multipart": multipart, "resume": resumed, "copy": concatenated, "delete": terminated},
    )
]
