"""The container registry: it finds uploads again by listing them, and adds the sizes of parts up to where a client goes on."""
import hashlib
import json
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from client import Client, Differs
from gateway import MIB, equal, free_port, same_bytes
from installs import apt, version_of

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """One that is running, over a fresh bucket; another may be started over the same."""

    def __init__(self, gateway, bucket=None, redirect=False, threshold=32 * MIB):
        self.gateway = gateway
        self.bucket = bucket or gateway.bucket()
        self.address = f"http://127.0.0.1:{free_port()}"
        self.config = gateway.scratch / f"registry-{free_port()}.yml"
        self.config.write_text(json.dumps({  # which is YAML too
            "version": 0.1,
            "log": {"level": "warn"},
            "http": {"addr": self.address.removeprefix("http://"), "secret": "lane"},
            "storage": {
                "s3": {
                    "accesskey": gateway.access_key, "secretkey": gateway.secret_key, "region": gateway.region, "regionendpoint": gateway.endpoint,
                    "bucket": self.bucket, "secure": False, "chunksize": 5 * MIB, "multipartcopythresholdsize": threshold,
                    "multipartcopychunksize": max(threshold, 5 * MIB),
                },
                "delete": {"enabled": True},
                "redirect": {"disable": not redirect},
            },
        }))
        self.child = gateway.start("docker-registry", "serve", self.config, until=f"{self.address}/v2/")

    def ask(self, method, path, body=None, **headers):
        url = path if path.startswith("http") else self.address + path
        request = urllib.request.Request(url, data=body, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.headers, answer.read()

    def begin(self) -> str:
        return self.ask("POST", "/v2/lane/blobs/uploads/", b"")[0]["Location"]

    def patch(self, location, data, offset) -> str:
        where = {"Content_Range": f"{offset}-{offset + len(data) - 1}", "Content_Type": "application/octet-stream"}
        return self.ask("PATCH", location, data, **where)[0]["Location"]

    def finish(self, location, digest) -> None:
        self.ask("PUT", location + "&digest=" + urllib.parse.quote(digest), b"")

    def push(self, data: bytes, *sizes: int) -> str:
        """A blob in chunks of these sizes, or at once."""
        location, offset = self.begin(), 0
        for size in sizes or ((len(data),) if data else ()):
            location = self.patch(location, data[offset : offset + size], offset)
            offset += size
        digest = digest_of(data)
        self.finish(location, digest)
        return digest

    def pull(self, digest: str, **headers) -> bytes:
        return self.ask("GET", f"/v2/lane/blobs/{digest}", **headers)[1]

    def image(self, tag: str, *layers: bytes) -> str:
        config = json.dumps({"rootfs": {"type": "layers", "diff_ids": []}, "tag": tag}).encode()
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": self.push(config)},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": len(layer), "digest": self.push(layer)} for layer in layers],
        }).encode()
        self.ask("PUT", f"/v2/lane/manifests/{tag}", manifest, Content_Type=MANIFEST)
        return digest_of(manifest)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def carried(registry, data, *sizes):
    same_bytes(registry.pull(registry.push(data, *sizes)), data)


def small(gateway):
    registry = Registry(gateway)
    for size in (1, 65_537):
        carried(registry, gateway.payload(size))


def empty(gateway):
    """From 3.0 on an upload of one part that is empty; before, one without parts, which S3 refuses."""
    try:
        carried(Registry(gateway), b"")
    except urllib.error.HTTPError as error:
        log = "".join(file.read_text() for file in gateway.scratch.glob("server-*.log"))
        if error.code != 500 or "MalformedXML" not in log:
            raise
        return Differs("registry 2 completes the upload of an empty blob without a part, which is MalformedXML, as on AWS; 3 sends an empty part.")


def multipart(gateway):
    carried(Registry(gateway), gateway.payload(17 * MIB))


def resumed(gateway):
    """Chunks below 5 MiB: each time it completes what there is, and takes it as the first part of a new upload. Another process goes on."""
    first = Registry(gateway)
    data = gateway.payload(9 * MIB)
    location = first.patch(first.begin(), data[: 3 * MIB], 0)
    location = first.patch(location, data[3 * MIB : 4 * MIB + 1], 3 * MIB)
    second = Registry(gateway, first.bucket)
    location = location.replace(first.address, second.address)
    equal(second.ask("GET", location)[0]["Range"], f"0-{4 * MIB}", "where it goes on")
    location = second.patch(location, data[4 * MIB + 1 :], 4 * MIB + 1)
    second.finish(location, digest_of(data))
    same_bytes(first.pull(digest_of(data)), data)
    equal(gateway.s3.list_multipart_uploads(Bucket=first.bucket).get("Uploads", []), [], "uploads left")
    # One that is given up is gone.
    location = first.patch(first.begin(), data[: 6 * MIB], 0)
    first.ask("DELETE", location)
    try:
        first.ask("GET", location)
    except urllib.error.HTTPError as error:
        equal(error.code, 404, "status of an upload that was given up")
    else:
        raise AssertionError("the upload is still there")


def ranged(gateway):
    registry = Registry(gateway)
    data = gateway.payload(300_000)
    digest = registry.push(data)
    same_bytes(registry.pull(digest, Range="bytes=65535-65536"), data[65535:65537])


def listed(gateway):
    registry = Registry(gateway)
    for index in range(12):
        registry.image(f"tag{index}", gateway.payload(100))
    tags = json.loads(registry.ask("GET", "/v2/lane/tags/list")[1])["tags"]
    equal(sorted(tags), sorted(f"tag{index}" for index in range(12)), "tags")
    equal(json.loads(registry.ask("GET", "/v2/_catalog?n=1")[1])["repositories"], ["lane"], "catalog")


def moved(gateway):
    """What is finished is copied to its name: above a limit by parts, a hundred at once."""
    registry = Registry(gateway, threshold=5 * MIB)
    digests = {}
    with ThreadPoolExecutor(4) as pool:
        for data, digest in pool.map(lambda size: (data := gateway.payload(size), registry.push(data)), (12 * MIB, 21 * MIB, 100, 5 * MIB)):
            digests[digest] = data
    for digest, data in digests.items():
        same_bytes(registry.pull(digest), data)


def removed(gateway):
    """What no manifest names is collected."""
    registry = Registry(gateway)
    kept, gone = registry.image("kept", gateway.payload(1000)), registry.image("gone", gateway.payload(2000))
    registry.ask("DELETE", f"/v2/lane/manifests/{gone}")
    before = gateway.s3.list_objects_v2(Bucket=registry.bucket)["KeyCount"]
    gateway.run("docker-registry", "garbage-collect", registry.config)
    if not gateway.s3.list_objects_v2(Bucket=registry.bucket)["KeyCount"] < before:
        raise AssertionError("nothing was collected")
    registry.ask("HEAD", f"/v2/lane/manifests/{kept}", Accept=MANIFEST)


def redirected(gateway):
    """A pull is sent on to the gateway by a presigned address."""
    registry = Registry(gateway, redirect=True)
    data = gateway.payload(100_000)
    digest = registry.push(data)
    with urllib.request.urlopen(f"{registry.address}/v2/lane/blobs/{digest}", timeout=60) as answer:
        equal(answer.geturl().startswith(gateway.endpoint), True, "the gateway answered")
        same_bytes(answer.read(), data)


CLIENTS = [
    Client(
        "docker-registry",
        version=lambda: version_of("docker-registry", "--version"),
        install=lambda: apt("docker-registry"),
        cells={"small": small, "empty": empty, "multipart": multipart, "resume": resumed, "range": ranged, "list": listed, "copy": moved,
               "delete": removed, "special": redirected},
    )
]
