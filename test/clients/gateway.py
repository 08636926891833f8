"""A gateway over the store under test, as the cells of a client see it."""
from __future__ import annotations

import hashlib
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path

import boto3
from botocore.config import Config

import tree
from client import Cell, Differs
from installs import NODE, ROOT

REGION = "us-east-1"
KEY_ID, SECRET = "AKIDCLIENTS", "lane-" + os.urandom(16).hex()
# What a program of ours exits with when it has asserted a known difference; its last line of output is the reason.
DIFFERS = 3
MIB = tree.MIB
serial = itertools.count(1)


@dataclass(frozen=True)
class Gateway:
    """What a cell gets: where the gateway is, a directory of its own, and what it needs to run a client and to judge it."""

    store: str  # fs, minio, ceph or versitygw
    endpoint: str
    tls_endpoint: str  # the same gateway behind a TLS terminator, whose certificate `ca_file` vouches for
    ca_file: Path
    scratch: Path
    access_key: str = KEY_ID
    secret_key: str = SECRET
    region: str = REGION
    # What `bucket` gives instead of a fresh one.
    given_bucket: str | None = None
    children: list = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.endpoint.removeprefix("http://")

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    @property
    def env(self) -> dict[str, str]:
        """The environment of clients: the machine's own settings of AWS must not leak in."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TEST_STORE", "SEALGATE_"))}
        return {
            **kept,
            "HOME": str(self.scratch),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "LANE_ENDPOINT": self.endpoint,
            "LANE_TLS_ENDPOINT": self.tls_endpoint,
            "LANE_CA_FILE": str(self.ca_file),
            "LANE_STORE": self.store,
            "LANE_SCRATCH": str(self.scratch),
        }

    @property
    def s3(self):
        """A client of our own, to prepare and to judge what the client under test did."""
        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key,
            region_name=self.region, config=Config(max_pool_connections=16, s3={"addressing_style": "path"}),
        )

    def bucket(self) -> str:
        """A fresh bucket."""
        if self.given_bucket is not None:
            return self.given_bucket
        name = f"lane-{os.getpid()}-{next(serial)}"
        self.s3.create_bucket(Bucket=name)
        return name

    def of_cell(self, name: str) -> Gateway:
        scratch = self.scratch / re.sub(r"[^a-z0-9]+", "-", name.lower())
        scratch.mkdir(parents=True)
        return replace(self, scratch=scratch, children=[])

    def payload(self, size: int) -> bytes:
        """Bytes that the search at rest knows."""
        return tree.payload(size)

    def file(self, size: int, name: str = "") -> Path:
        """A file of such bytes in the scratch directory."""
        path = self.scratch / (name or f"file-{next(serial)}-{size}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.payload(size))
        return path

    def run(self, *command, input: str | None = None, cwd: Path | None = None, timeout: float = 600, **env) -> str:
        """Runs the client, which must succeed; returns what it printed on both outputs."""
        code, output = self.attempt(*command, input=input, cwd=cwd, timeout=timeout, **env)
        if code != 0:
            raise AssertionError(f"{Path(str(command[0])).name} exit {code}: {output[-1500:]}")
        return output

    def must_fail(self, pattern: str, *command, cwd: Path | None = None, timeout: float = 600, **env) -> str:
        """Runs the client, which must fail and print what `pattern` finds."""
        code, output = self.attempt(*command, cwd=cwd, timeout=timeout, **env)
        if code == 0:
            raise AssertionError(f"{Path(str(command[0])).name} succeeded, expected it to fail with {pattern}")
        if re.search(pattern, output) is None:
            raise AssertionError(f"{Path(str(command[0])).name} failed without {pattern}: {output[-1500:]}")
        return output

    def attempt(self, *command, input: str | None = None, cwd: Path | None = None, timeout: float = 600, **env) -> tuple[int, str]:
        done = subprocess.run(
            [str(part) for part in command], input=input, env={**self.env, **env}, cwd=cwd or self.scratch,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout,
            stdin=subprocess.DEVNULL if input is None else None,
        )
        return done.returncode, done.stdout

    def start(self, *command, until: str | None = None, **env) -> subprocess.Popen:
        """Starts a server of the client, which ends with the cell; `until` is an address that must answer."""
        log = open(self.scratch / f"server-{next(serial)}.log", "w")
        child = subprocess.Popen(
            [str(part) for part in command], env={**self.env, **env}, cwd=self.scratch, stdout=log, stderr=log,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )
        self.children.append(child)
        if until is not None:
            await_answer(until, child, log)
        return child

    def stop_children(self) -> None:
        for child in self.children:
            end(child)


def program(*command) -> "ProgramCells":
    return ProgramCells(command)


class ProgramCells:
    """Cells of a program of ours (a test of an SDK): `command COLUMN`, told by LANE_* where everything is, with a fresh bucket in
    LANE_BUCKET. It exits 0 when all is as with Amazon S3, or DIFFERS."""

    def __init__(self, command) -> None:
        self.command = command

    def cells(self, *columns: str) -> dict[str, Cell]:
        return {column: self.cell(column) for column in columns}

    def cell(self, column: str) -> Cell:
        def run(gateway: Gateway) -> Differs | None:
            command = [part() if callable(part) else part for part in self.command]
            code, output = gateway.attempt(*command, column, LANE_BUCKET=gateway.bucket())
            if code == DIFFERS:
                return Differs(output.strip().splitlines()[-1])
            if code != 0:
                raise AssertionError(f"exit {code}: {output[-2000:]}")
            return None

        return run


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same_bytes(one: Path | bytes, other: Path | bytes) -> None:
    one, other = (value if isinstance(value, bytes) else value.read_bytes() for value in (one, other))
    if one != other:
        raise AssertionError(f"bytes differ: {len(one)} and {len(other)}, hashes {hashlib.sha256(one).hexdigest()[:12]} and {hashlib.sha256(other).hexdigest()[:12]}")


def equal(got, want, what: str = "value") -> None:
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_gateway(data: Path, log) -> tuple[subprocess.Popen, str]:
    """Starts one over the store that TEST_STORE names, or over the fs store in `data`, where its keyring lies in any case."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SEALGATE_"))},
        "SEALGATE_LISTEN": endpoint.removeprefix("http://"),
        "SEALGATE_DATA_DIR": str(data),
        "SEALGATE_ACCESS_KEY_ID": KEY_ID,
        "SEALGATE_SECRET_ACCESS_KEY": SECRET,
    }
    if "TEST_STORE" in os.environ:
        env |= {
            "SEALGATE_STORE": "s3",
            "SEALGATE_S3_ENDPOINT": os.environ["TEST_STORE_ENDPOINT"],
            "SEALGATE_S3_REGION": REGION,
            "SEALGATE_S3_ADDRESSING": "path",
            "SEALGATE_S3_ACCESS_KEY_ID": os.environ["TEST_STORE_ACCESS_KEY_ID"],
            "SEALGATE_S3_SECRET_ACCESS_KEY": os.environ["TEST_STORE_SECRET_ACCESS_KEY"],
        }
    child = subprocess.Popen(
        [NODE, ROOT / "src/cli/main.ts", "serve"], env=env, stdout=log, stderr=log, start_new_session=True, cwd=data
    )
    await_answer(endpoint, child, log)
    return child, endpoint


def await_answer(address: str, child: subprocess.Popen, log) -> None:
    for _ in range(300):
        if child.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=2)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    end(child)
    raise RuntimeError(f"nothing answers at {address}:\n{Path(log.name).read_text()[-3000:]}")


def end(child: subprocess.Popen | None) -> None:
    """Ends only the group that this lane started."""
    if child is not None and child.poll() is None:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
