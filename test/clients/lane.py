"""The clients lane; see README.md beside this file."""
import argparse
import importlib
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import carry
import gateway as gateways
import results
import rest
import tls
from client import COLUMNS, Client, Differs, Unavailable

HERE = Path(__file__).resolve().parent


def main() -> int:
    options = arguments()
    clients = every_client()
    chosen = [client for client in clients if options.only is None or client.name in options.only or module_of(client) in options.only]
    if not chosen:
        sys.exit(f"no client is called {options.only}; there are: {', '.join(sorted(client.name for client in clients))}")
    work = Path(tempfile.mkdtemp(prefix="sealgate-clients-"))
    child = None
    try:
        if options.command == "tree":
            return carry.run(work, chosen)
        (work / "data").mkdir()
        child, gateway = open_gateway(work, options)
        with ThreadPoolExecutor(int(os.environ.get("LANE_JOBS", os.cpu_count() or 1))) as pool:
            rows = list(pool.map(lambda client: run_and_record(client, gateway, options), chosen))
        searched = options.direct or rest.search(options.store, work / "data", gateway)
        gateways.end(child)
        return summary(rows, searched)
    finally:
        gateways.end(child)
        gateways.remove(work)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Real clients through a gateway over a real store.")
    parser.add_argument("command", nargs="?", choices=["cells", "tree"], default="cells")
    parser.add_argument("--store", choices=results.STORES, default="fs")
    parser.add_argument("--only", action="append", help="the name of a client, or of its file; may be repeated")
    parser.add_argument("--column", choices=list(COLUMNS), help="this column alone; the results are then not written")
    parser.add_argument("--direct", action="store_true", help="the store itself, without a gateway: for what differs there too; nothing is written")
    options = parser.parse_args()
    if options.direct and options.store == "fs":
        parser.error("--direct needs a store that is a server")
    if os.environ.get("TEST_STORE", "fs") != options.store:
        parser.error(f"--store {options.store} needs that server: run this by test/clients/run")
    return options


def every_client() -> list[Client]:
    modules = [importlib.import_module(f"clients.{path.stem}") for path in sorted((HERE / "clients").glob("*.py"))]
    clients = []
    for module in modules:
        for client in module.CLIENTS:
            files[client.name] = module.__name__.removeprefix("clients.")
            clients.append(client)
    if len(files) != len(clients):
        sys.exit("two clients have one name")
    return clients


files: dict[str, str] = {}


def module_of(client: Client) -> str:
    return files[client.name]


def open_gateway(work: Path, options: argparse.Namespace):
    certificate, key = tls.certificate(work)
    if options.direct:
        child, endpoint = None, os.environ["TEST_STORE_ENDPOINT"]
        keys = {"access_key": os.environ["TEST_STORE_ACCESS_KEY_ID"], "secret_key": os.environ["TEST_STORE_SECRET_ACCESS_KEY"]}
    else:
        child, endpoint = gateways.start_gateway(work / "data", open(work / "gateway.log", "w"))
        keys = {}
    terminated = tls.terminate(certificate, key, int(endpoint.rpartition(":")[2]))
    return child, gateways.Gateway(options.store, endpoint, terminated, certificate, work / "scratch", **keys)


def run_and_record(client: Client, gateway: gateways.Gateway, options: argparse.Namespace) -> dict:
    row = run_client(client, gateway, options.column)
    if options.column is None and not options.direct:
        results.record(options.store, row, known=set(files))
    return row


def run_client(client: Client, gateway: gateways.Gateway, only: str | None) -> dict:
    """Installs one and runs its cells; goes on after a failure, since one bad client hides no other."""
    row: dict = {"client": client.name}
    try:
        client.install()
        row["version"] = client.version()
    except Unavailable as reason:
        print(f"{client.name}: cannot be had: {reason}", flush=True)
        return {**row, "unavailable": str(reason)}
    except Exception as error:
        print(f"--- {client.name} install: {error}", flush=True)
        return {**row, "cells": {column: "FAILED" for column in client.cells}}
    print(f"{client.name} {row['version']}", flush=True)
    row["cells"] = {
        column: run_cell(client, column, gateway) for column in COLUMNS if column in client.cells and only in (None, column)
    }
    return row


def run_cell(client: Client, column: str, gateway: gateways.Gateway):
    started = time.monotonic()
    here = gateway.of_cell(f"{client.name}-{column}")
    try:
        result = client.cells[column](here)
        outcome: object = {"differs": result.reason} if isinstance(result, Differs) else "ok"
    except Exception as error:  # every failure is a row of the table
        print(f"--- {client.name}, {COLUMNS[column]}: {type(error).__name__}: {error}", flush=True)
        outcome = "FAILED"
    finally:
        here.stop_children()
        gateways.remove(here.scratch)
    shown = f"differs: {outcome['differs']}" if isinstance(outcome, dict) else outcome
    print(f"{client.name:24} {COLUMNS[column]:18} {time.monotonic() - started:6.1f} s  {shown}", flush=True)
    return outcome


def summary(rows: list[dict], searched: bool) -> int:
    outcomes = [outcome for row in rows for outcome in row.get("cells", {}).values()]
    failed = outcomes.count("FAILED")
    differs = sum(isinstance(outcome, dict) for outcome in outcomes)
    unavailable = sum("unavailable" in row for row in rows)
    print(f"\n{len(rows)} clients: {outcomes.count('ok')} passed, {differs} differ as they should, {failed} failed; "
          f"{unavailable} clients cannot be had here")
    return 0 if failed == 0 and searched and outcomes else 1


if __name__ == "__main__":
    sys.exit(main())
