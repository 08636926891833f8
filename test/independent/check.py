"""Opens the stored vectors and what `lane.ts` left, and makes sure that nothing altered opens. See `run`."""
import base64
import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import sealgate_open
from key_services import Keys, Refused
from sealgate_open import open_object

HERE = Path(__file__).resolve().parent
counts = {"passed": 0, "failed": 0}


def check(name: str, holds: bool) -> None:
    counts["passed" if holds else "failed"] += 1
    if not holds:
        print(f"FAILED {name}")


def bytes_of(size: int, seed: str) -> bytes:
    """As test/envelope/helpers.ts makes them."""
    out, n = b"", 0
    while len(out) < size:
        out += hashlib.sha256(f"{seed}{n}".encode()).digest()
        n += 1
    return out[:size]


def refuses(keys, bucket, key, attributes, stored) -> bool:
    try:
        open_object(keys, bucket, key, attributes, stored)
        return False
    except Refused:
        return True


def vectors() -> None:
    with open(HERE.parent / "vectors/objects.json") as file:
        data = json.load(file)
    keys = Keys(data["keyring"])
    for vector in data["opens"]:
        stored = base64.b64decode(vector["object"])
        plain, _ = open_object(keys, vector["bucket"], vector["key"], vector["attributes"], stored)
        check(vector["name"], plain == bytes_of(vector["size"], vector["seed"]))
    for vector in data["refused"]:
        stored = base64.b64decode(vector["object"])
        check("refuse " + vector["name"],
              refuses(keys, vector["bucket"], vector["key"], vector["attributes"], stored))


def customer_keys() -> None:
    with open(HERE.parent / "vectors/customer-key.json") as file:
        data = json.load(file)
    for vector in data:
        envelope = sealgate_open.parse_envelope(vector["envelope"])
        customer_key, at = bytes.fromhex(vector["customerKey"]), vector["binding"]
        where = (at["realm"], at["bucket"], at["key"])
        oek = sealgate_open.open_oek(envelope, customer_key, *where)
        plain, _ = sealgate_open.open_body(envelope.plain, oek, base64.b64decode(vector["object"]))
        check(vector["name"], plain == bytes_of(vector["size"], vector["plaintextSeed"]))
        for wrong in (bytes(32), customer_key[::-1]):
            try:
                sealgate_open.open_oek(envelope, wrong, *where)
                check(f"refuse {vector['name']}: another key", False)
            except Refused:
                check("another key", True)


def live(directory: Path) -> None:
    keys = Keys(json.loads((directory / "keys.json").read_text()))
    service = directory.name
    cmks = set()
    for entry in json.loads((directory / "manifest.json").read_text()):
        bucket, key, base = entry["bucket"], entry["key"], directory / entry["name"]
        name = f"{service}: {key}"
        attributes = json.loads(base.with_suffix(".json").read_text())
        stored, plain = base.with_suffix(".stored").read_bytes(), base.with_suffix(".plain").read_bytes()
        opened, footer = open_object(keys, bucket, key, attributes, stored)
        cmks.add(sealgate_open.parse_envelope(attributes["metadata"]["sealgate"]).cmk_id)
        check(f"{name}: plaintext", opened == plain)
        check(f"{name}: a checksum", key == "encoded" or key.startswith("copy") or bool(footer.checksums))
        for bit in random.Random(key).sample(range(len(stored) * 8), 5):
            altered = bytearray(stored)
            altered[bit // 8] ^= 1 << bit % 8
            check(f"{name}: bit {bit}", refuses(keys, bucket, key, attributes, bytes(altered)))
        check(f"{name}: another key", refuses(keys, bucket, key + "x", attributes, stored))
        check(f"{name}: another bucket", refuses(keys, bucket + "x", key, attributes, stored))
        check(f"{name}: another realm", refuses(Keys({**keys.services, "realm": "x"}), bucket, key, attributes, stored))
        changed = {**attributes, "metadata": {**attributes["metadata"], "added": "1"}}
        check(f"{name}: added metadata", refuses(keys, bucket, key, changed, stored))
        command = [sys.executable, sealgate_open.__file__, directory / "keys.json", bucket, key,
                   base.with_suffix(".json"), base.with_suffix(".stored")]
        done = subprocess.run(command, capture_output=True, check=False)
        check(f"{name}: the program", done.returncode == 0 and done.stdout == plain)
    print(f"{service}: objects under {', '.join(sorted(cmks))}")


vectors()
customer_keys()
for argument in sys.argv[1:]:
    live(Path(argument))
print(f"{counts['passed']} passed, {counts['failed']} failed")
sys.exit(1 if counts["failed"] else 0)
