"""A large tree is carried up and down by every client that has a `tree`, and the data directory is searched for its plaintext."""
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import tree
from client import Client
from gateway import Gateway, end, remove, start_gateway

BYTES = int(os.environ.get("LANE_BYTES", 2 * 1024**3))
FILES = int(os.environ.get("LANE_FILES", 10_000))


@dataclass
class Carried:
    """The tree that a client carries, and the steps it makes."""

    source: Path
    want: dict[str, tuple[int, str]]
    rows: list[tuple[str, str, str, float]] = field(default_factory=list)
    client: str = ""

    def step(self, name: str, action: Callable[[], object]) -> None:
        """Runs one step, records it, and goes on after a failure: one bad client hides no other."""
        started = time.monotonic()
        try:
            action()
            result = "ok"
        except Exception as error:  # every failure is a row of the table
            result = "FAILED"
            print(f"--- {self.client} {name}: {error}", flush=True)
        self.rows.append((self.client, name, result, time.monotonic() - started))
        self.show(*self.rows[-1])

    def must_equal(self, where: Path) -> None:
        """What came back is what went up; it is removed then."""
        bad = tree.differences(self.want, tree.manifest(where))
        remove(where)
        if bad:
            raise AssertionError(bad)

    @staticmethod
    def show(client: str, name: str, result: str, seconds: float) -> None:
        print(f"{client:20} {name:28} {result:7} {seconds:7.1f}", flush=True)


def run(work: Path, clients: list[Client]) -> int:
    data, source = work / "data", work / "source"
    data.mkdir()
    tree.make(source, BYTES, FILES)
    carried = Carried(source, tree.manifest(source))
    print(f"tree: {len(carried.want)} files, {sum(size for size, _ in carried.want.values())} bytes", flush=True)
    child, endpoint = start_gateway(data, open(work / "gateway.log", "w"))
    try:
        gateway = Gateway("fs", endpoint, tls_endpoint="", ca_file=Path(os.devnull), scratch=work / "scratch")
        for client in clients:
            if client.tree is not None:
                carried.client = client.name
                carry(client, gateway, carried)
    finally:
        end(child)
    carried.client = "search"
    carried.step("control: source tree", lambda: control(source))
    carried.step("no plaintext at rest", lambda: scan(data))
    return summary(carried)


def carry(client: Client, gateway: Gateway, carried: Carried) -> None:
    here = gateway.of_cell(client.name)
    carried.step("install", client.install)
    try:
        client.tree(here, carried)
    except Exception as error:  # outside of a step
        carried.step("preparation", lambda: fail(error))
    finally:
        here.stop_children()
        remove(here.scratch)


def fail(error: Exception) -> None:
    raise error


def control(source: Path) -> None:
    _, hits = tree.search(source)
    if not all(hits.values()):
        raise AssertionError(f"the search misses markers in the source tree: {hits}")
    print(f"control: markers found in the source tree: {hits}")


def scan(data: Path) -> None:
    total, hits = tree.search(data)
    print(f"searched {total} bytes of the data directory: {hits}")
    if total < BYTES:
        raise AssertionError(f"only {total} bytes lie in the data directory: this is not the gateway's store")
    if any(hits.values()):
        raise AssertionError(f"plaintext at rest: {hits}")


def summary(carried: Carried) -> int:
    print(f"\n{'client':20} {'step':28} {'result':7} seconds")
    for row in carried.rows:
        carried.show(*row)
    failed = sum(result != "ok" for _, _, result, _ in carried.rows)
    print(f"{len(carried.rows) - failed} passed, {failed} failed")
    return 1 if failed else 0
