"""The key ring, from src/envelope/FORMAT.md section 13 alone: DEKs whose CMK is retired, out of a backup of the ring."""
import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path

from key_services import Keys, Refused, hkdf, lp

LIMITS = {"realm": 1024, "bucket": 255, "cmk_id": 255, "wrapped": 6144}


@dataclass
class Record:
    dek_id: bytes
    realm: bytes
    bucket: bytes
    cmk_id: bytes
    wrapped: bytes
    salt: bytes
    check: bytes


def parse_record(raw: bytes) -> Record:
    at = 0

    def take(count: int) -> bytes:
        nonlocal at
        if at + count > len(raw):
            raise Refused("record too short")
        at += count
        return raw[at - count : at]

    def prefixed(limit: int) -> bytes:
        count = int.from_bytes(take(4), "big")
        if not 1 <= count <= limit:
            raise Refused("field of a record too long or empty")
        return take(count)

    if len(raw) > 8192 or take(1) != b"\x01":
        raise Refused("no record of version 1")
    dek_id = take(16)
    realm, bucket, cmk_id, wrapped = (prefixed(limit) for limit in LIMITS.values())
    take(6)
    record = Record(dek_id, realm, bucket, cmk_id, wrapped, take(32), take(32))
    if at != len(raw):
        raise Refused("bytes follow the record")
    return record


def read_backup(path: Path) -> tuple[str, list[tuple[int, Record]]]:
    *lines, last = path.read_bytes().splitlines(keepends=True)
    header, end = json.loads(lines[0]), json.loads(last)
    if header["format"] != "sealgate key ring" or header["version"] != 1:
        raise Refused("no backup of a key ring")
    if end != {"records": len(lines) - 1, "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}:
        raise Refused("the backup is damaged")
    entries = [json.loads(line) for line in lines[1:]]
    return header["realm"], [(entry["generation"], parse_record(base64.b64decode(entry["record"]))) for entry in entries]


def unwrap(keys: Keys, bucket: str, cmk_id: str, wrapped: bytes, dek_id: bytes) -> bytes:
    """By the ring if the keys come with one and the CMK is retired, else as the envelope has it."""
    current, retired = keys.services.get("current"), keys.services.get("retired", [])
    if current is None or cmk_id == current:
        return keys.unwrap(cmk_id, wrapped, bucket, dek_id)
    if cmk_id not in retired:
        raise Refused("the CMK is not on the list")
    realm, records = read_backup(Path(keys.services["ring"]))
    if realm != keys.realm:
        raise Refused("a ring of another deployment")
    own = [
        (cmk != current, -generation, record)
        for generation, record in records
        for cmk in [record.cmk_id.decode()]
        if (record.bucket.decode(), record.dek_id) == (bucket, dek_id) and cmk in [current, *retired]
    ]
    for _, _, record in sorted(own, key=lambda entry: entry[:2])[:16]:
        try:
            dek = keys.unwrap(record.cmk_id.decode(), record.wrapped, bucket, dek_id)
        except Refused:
            continue
        info = b"sealgate/1 ring" + lp(record.realm) + lp(record.bucket) + record.dek_id
        if hmac.compare_digest(hkdf(dek, record.salt, info), record.check):
            return dek
    return keys.unwrap(cmk_id, wrapped, bucket, dek_id)
