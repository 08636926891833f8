"""Steps of the clients lane; see `run` beside this file."""
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

import tree

BYTES = int(os.environ.get("LANE_BYTES", 2 * 1024**3))
FILES = int(os.environ.get("LANE_FILES", 10_000))
FOREIGN = os.environ.get("LANE_ENDPOINT")
KEY_ID, SECRET = "AKIDCLIENTS", os.urandom(20).hex()
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NODE = ROOT / "node_modules/.bin/node"
rows: list[tuple[str, str, str, float]] = []


def step(client: str, name: str, action) -> None:
    """Runs one step, records it, and goes on after a failure: one bad client hides no other."""
    started = time.monotonic()
    try:
        action()
        result = "ok"
    except Exception as error:  # every failure is a row of the table
        result = "FAILED"
        print(f"--- {client} {name}: {error}", flush=True)
    rows.append((client, name, result, time.monotonic() - started))
    print(f"{client:10} {name:28} {result:7} {rows[-1][3]:7.1f}", flush=True)


def call(*command, env=None) -> None:
    done = subprocess.run([str(c) for c in command], env=env, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"{Path(str(command[0])).name} exit {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")


def must_equal(want: dict, where: Path) -> None:
    bad = tree.differences(want, tree.manifest(where))
    if bad:
        raise RuntimeError(bad)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_gateway(data: Path, log):
    port = free_port()
    env = {
        **os.environ,
        "SEALGATE_LISTEN": f"127.0.0.1:{port}",
        "SEALGATE_DATA_DIR": str(data),
        "SEALGATE_ACCESS_KEY_ID": KEY_ID,
        "SEALGATE_SECRET_ACCESS_KEY": SECRET,
    }
    child = subprocess.Popen(
        [NODE, ROOT / "src/cli/main.ts", "serve"], env=env, stdout=log, stderr=log, start_new_session=True, cwd=data
    )
    endpoint = f"http://127.0.0.1:{port}"
    for _ in range(300):
        if child.poll() is not None:
            break
        try:
            urllib.request.urlopen(endpoint, timeout=2)
            return child, endpoint
        except urllib.error.HTTPError:
            return child, endpoint
        except OSError:
            time.sleep(0.1)
    stop_gateway(child)
    raise RuntimeError(f"gateway did not start:\n{Path(log.name).read_text()[-3000:]}")


def stop_gateway(child) -> None:
    """Ends only the group that this lane started."""
    if child is not None and child.poll() is None:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def main() -> int:
    work = Path(tempfile.mkdtemp(prefix="sealgate-clients-"))
    child = None
    try:
        source, data = work / "source", work / "data"
        data.mkdir()
        os.chdir(ROOT)
        tree.make(source, BYTES, FILES)
        want = tree.manifest(source)
        print(f"tree: {len(want)} files, {sum(s for s, _ in want.values())} bytes", flush=True)
        endpoint = FOREIGN
        if not FOREIGN:
            child, endpoint = start_gateway(data, open(work / "gateway.log", "w"))
        # The machine's own AWS settings must not leak in (rclone 1.60 refuses to start under AWS_CA_BUNDLE).
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "LANE_ENDPOINT": endpoint,
        }
        s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET,
                          region_name="us-east-1", config=Config(max_pool_connections=16))
        restic(work, source, want, endpoint, env)
        rclone(work, source, want, endpoint, env)
        aws("aws old", "/usr/bin/aws", "aws-old", work, source, want, endpoint, env, s3)
        aws("aws new", ROOT / ".lanes/venv/bin/aws", "aws-new", work, source, want, endpoint, env, s3)
        step("boto3", "LIST, HEAD, GET of all keys", lambda: sizes(s3, "aws-new", want))
        boto(work, source, want, s3)
        javascript(work, source, want, env, s3)
        stop_gateway(child)
        plaintext(source, data)
    except Exception as error:
        rows.append(("lane", "setup", "FAILED", 0.0))
        print(f"--- lane: {error}")
    finally:
        stop_gateway(child)
        shutil.rmtree(work, ignore_errors=True)
    print(f"\n{'client':10} {'step':28} {'result':7} seconds")
    for client, name, result, seconds in rows:
        print(f"{client:10} {name:28} {result:7} {seconds:7.1f}")
    failed = sum(r[2] != "ok" for r in rows)
    print(f"{len(rows) - failed} passed, {failed} failed")
    return 1 if failed else 0


def restic(work, source, want, endpoint, env) -> None:
    env = {**env, "RESTIC_REPOSITORY": f"s3:{endpoint}/restic", "RESTIC_PASSWORD": "lane", "RESTIC_CACHE_DIR": str(work / "cache")}
    out = work / "restic"
    step("restic", "init", lambda: call("restic", "init", env=env))
    step("restic", "backup", lambda: call("restic", "backup", source, env=env))
    step("restic", "check --read-data", lambda: call("restic", "check", "--read-data", env=env))

    def restore():
        call("restic", "restore", "latest", "--target", out, env=env)
        must_equal(want, out / source.relative_to("/"))

    step("restic", "restore, compare", restore)
    shutil.rmtree(out, ignore_errors=True)


def rclone(work, source, want, endpoint, env) -> None:
    flags = ["--config", "/dev/null", "--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", endpoint,
             "--s3-region", "us-east-1", "--s3-server-side-encryption", "aws:kms", "--transfers", "8", "--checkers", "16"]
    out = work / "rclone"
    step("rclone", "mkdir", lambda: call("rclone", "mkdir", ":s3:rclone", *flags, env=env))
    step("rclone", "sync", lambda: call("rclone", "sync", source, ":s3:rclone", *flags, env=env))
    step("rclone", "check --download", lambda: call("rclone", "check", "--download", source, ":s3:rclone", *flags, env=env))

    def back():
        call("rclone", "copy", ":s3:rclone", out, *flags, env=env)
        must_equal(want, out)

    step("rclone", "copy back, compare", back)
    shutil.rmtree(out, ignore_errors=True)


def aws(label, binary, bucket, work, source, want, endpoint, env, s3) -> None:
    out = work / bucket
    tool = [binary, "--endpoint-url", endpoint, "s3"]
    step(label, "mb", lambda: call(*tool, "mb", f"s3://{bucket}", env=env))
    step(label, "sync up", lambda: call(*tool, "sync", "--only-show-errors", source, f"s3://{bucket}", env=env))

    def down():
        call(*tool, "sync", "--only-show-errors", f"s3://{bucket}", out, env=env)
        must_equal(want, out)

    step(label, "sync down, compare", down)
    shutil.rmtree(out, ignore_errors=True)


def sizes(s3, bucket, want) -> None:
    listed = {o["Key"]: o["Size"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
              for o in page.get("Contents", [])}
    expected = {key: size for key, (size, _) in want.items()}
    if listed != expected:
        raise RuntimeError(f"LIST: {tree.differences(expected, listed)}")

    def one(key):
        head = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        got = s3.get_object(Bucket=bucket, Key=key)
        digest, length = hashlib.sha256(), 0
        for chunk in got["Body"].iter_chunks(1 << 20):
            digest.update(chunk)
            length += len(chunk)
        return key, head, got["ContentLength"], length, digest.hexdigest()

    with ThreadPoolExecutor(8) as pool:
        for key, head, header, length, digest in pool.map(one, listed):
            if not head == header == length == want[key][0] or digest != want[key][1]:
                raise RuntimeError(f"{key}: HEAD {head}, GET {header}, body {length}, want {want[key]}")


def boto(work, source, want, s3) -> None:
    large = source / "large/0.bin"
    out = work / "boto"

    def each(action):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(action, want))

    def fetch(key):
        (out / key).parent.mkdir(parents=True, exist_ok=True)
        s3.download_file("boto", key, str(out / key))

    def back():
        each(fetch)
        must_equal(want, out)

    step("boto3", "create_bucket", lambda: s3.create_bucket(Bucket="boto"))
    step("boto3", "upload_file of all", lambda: each(lambda key: s3.upload_file(str(source / key), "boto", key)))
    step("boto3", "download_file, compare", back)
    shutil.rmtree(out, ignore_errors=True)

    def ranges():
        size = large.stat().st_size
        with open(large, "rb") as file:
            for first, last in ((0, 0), (65535, 65536), (1, 200_000), (size // 2, size // 2 + 99_999), (size - 70_000, size - 1)):
                first, last = max(0, first), min(last, size - 1)
                file.seek(first)
                if s3.get_object(Bucket="boto", Key="large/0.bin", Range=f"bytes={first}-{last}")["Body"].read() != file.read(last - first + 1):
                    raise RuntimeError(f"range {first}-{last} differs")

    def put():
        for body in (b"", b"x", os.urandom(100_000)):
            s3.put_object(Bucket="boto", Key="small +%é", Body=body, Metadata={"k": "v"})
            got = s3.get_object(Bucket="boto", Key="small +%é")
            if got["Body"].read() != body or got["Metadata"] != {"k": "v"}:
                raise RuntimeError(f"{len(body)} bytes differ")

    step("boto3", "ranged get", ranges)
    step("boto3", "put_object, get_object", put)


def javascript(work, source, want, env, s3) -> None:
    out = work / "javascript"
    tool = [NODE, HERE / "javascript.ts"]
    s3.create_bucket(Bucket="javascript")
    step("js sdk", "buffers and streams", lambda: call(*tool, "bodies", source / "large/0.bin", env=env))
    step("js sdk", "Upload of all", lambda: call(*tool, "up", source, env=env))

    def back():
        call(*tool, "down", out, env=env)
        must_equal(want, out)

    step("js sdk", "get all, compare", back)
    shutil.rmtree(out, ignore_errors=True)


def plaintext(source, data) -> None:
    def control():
        _, hits = tree.search(source)
        if not all(hits.values()):
            raise RuntimeError(f"the search misses markers in the source tree: {hits}")
        print(f"control: markers found in the source tree: {hits}")

    def scan():
        total, hits = tree.search(data)
        print(f"searched {total} bytes of the data directory: {hits}")
        if total < BYTES:
            raise RuntimeError(f"only {total} bytes lie in the data directory: this is not the gateway's store")
        if any(hits.values()):
            raise RuntimeError(f"plaintext at rest: {hits}")

    step("scan", "control: source tree", control)
    if FOREIGN:
        print("foreign endpoint: its data directory is not searched")
    else:
        step("scan", "no plaintext at rest", scan)


if __name__ == "__main__":
    sys.exit(main())
