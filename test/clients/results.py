"""The results of the lane, results/STORE.json, of which table.ts makes the table of docs/compatibility.md."""
import json
import subprocess

from installs import HERE, NODE

STORES = ("fs", "minio", "ceph", "versitygw")


def record(store: str, results: list[dict], known: list[str]) -> None:
    """Puts results in the place of those of the same clients; clients that the lane no longer knows go."""
    path = HERE / "results" / f"{store}.json"
    before = json.loads(path.read_text()) if path.exists() else []
    rows = {row["client"]: row for row in [*before, *results]}
    kept = [rows[name] for name in sorted(rows, key=str.lower) if name in known]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    subprocess.run([NODE, HERE / "table.ts"], check=True)
