"""The results of the lane, results/STORE.json, of which table.ts makes the table of docs/compatibility.md."""
import json
import subprocess
import threading

from installs import HERE, NODE

STORES = ("fs", "minio", "ceph", "versitygw")


alone = threading.Lock()


def record(store: str, result: dict, known: set[str]) -> None:
    """Puts a result in the place of that of the same client; clients that the lane no longer knows go."""
    with alone:
        replace(store, result, known)


def replace(store: str, result: dict, known: set[str]) -> None:
    path = HERE / "results" / f"{store}.json"
    before = json.loads(path.read_text()) if path.exists() else []
    rows = {row["client"]: row for row in [*before, result]}
    kept = [rows[name] for name in sorted(rows, key=str.lower) if name in known]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    subprocess.run([NODE, HERE / "table.ts"], check=True)
