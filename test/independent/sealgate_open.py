"""
An independent reader of Sealgate's object format, written from src/envelope/FORMAT.md alone (section numbers below are its).
It shares no code with the gateway, so what both read the same is what the document says.

usage: sealgate_open.py KEYS BUCKET KEY ATTRIBUTES OBJECT
  KEYS        keyring file of the deployment, or how its key services are reached (key_services.py)
  ATTRIBUTES  JSON {"headers": {...}, "metadata": {..., "sealgate": ENVELOPE}} as the store keeps them
  OBJECT      the stored bytes
Plaintext goes to standard output, and only after all of the object has been checked; exit status 1 if it does not open.
"""
import base64
import hashlib
import hmac
import json
import struct
import sys
from dataclasses import dataclass

import key_ring
from key_services import Keys, Refused, gcm_open, hkdf, lp

S = 65536
MIB5 = 5 * 1024 * 1024
LARGEST = 53_673_986_239_184
CHECKSUM_LENGTHS = {1: 4, 2: 4, 3: 8, 4: 20, 5: 32, 6: 16}
CHECKSUM_NAMES = {1: "CRC32", 2: "CRC32C", 3: "CRC64NVME", 4: "SHA1", 5: "SHA256", 6: "MD5"}
HEADERS = ("content-language", "content-disposition", "cache-control", "expires", "x-amz-website-redirect-location")


# Section 1: notation

def from_base64url(text: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Refused("not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise Refused("not the canonical base64url")
    return raw


class Bytes:
    """Reads fields in order; nothing may be missing and nothing may follow."""

    def __init__(self, raw: bytes):
        self.raw, self.at = raw, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.raw):
            raise Refused("too short")
        self.at += count
        return self.raw[self.at - count : self.at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def end(self) -> None:
        if self.at != len(self.raw):
            raise Refused("bytes follow")


# Section 3: sizes

def most_parts(plain: int) -> int:
    return min(10_000, plain // MIB5 + 1)


def stored_length(plain: int) -> int:
    return plain + 16 * max(1, -(-plain // S)) + 96 * most_parts(plain) + 256


def sealed_part(plain: int) -> int:
    return plain + 16 * max(1, -(-plain // S))


def plain_length(stored: int) -> int:
    low, high = 0, LARGEST
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if stored_length(middle) < stored else (low, middle)
    if stored_length(low) != stored:
        raise Refused("no sealed object has this length")
    return low


# Section 5: envelope

@dataclass
class Envelope:
    single: bool
    dek_id: bytes
    cmk_id: str
    wrapped: bytes
    key_check: bytes | None  # of a customer's own key; then the three above are empty
    object_salt: bytes
    commitment: bytes
    plain: int | None
    metadata_hash: bytes
    sealed_oek: bytes
    before: bytes


def parse_envelope(text: str) -> Envelope:
    raw = from_base64url(text)
    read = Bytes(raw)
    if read.take(2) != b"\x01\x01":
        raise Refused("unknown version or suite")
    kind = read.number(1)
    if kind not in (1, 2):
        raise Refused("unknown kind")
    source = read.number(1)
    if source not in (1, 2):
        raise Refused("unknown key source")
    dek_id, cmk_id, wrapped, key_check = b"", b"", b"", None
    if source == 1:
        dek_id = read.take(16)
        cmk_id = read.take(read.number(1))
        wrapped = read.take(read.number(2))
        if not cmk_id or not 1 <= len(wrapped) <= 6144:
            raise Refused("CMK id or wrapped DEK of a wrong length")
    else:
        key_check = read.take(32)
    object_salt, commitment = read.take(32), read.take(32)
    plain = read.number(8)
    if (plain == 2**64 - 1) != (kind == 2) or (kind == 1 and plain > LARGEST):
        raise Refused("plaintext size that this kind does not have")
    metadata_hash, sealed_oek = read.take(32), read.take(48)
    read.end()
    try:
        cmk_text = cmk_id.decode()
    except UnicodeDecodeError:
        raise Refused("CMK id is not UTF-8") from None
    return Envelope(kind == 1, dek_id, cmk_text, wrapped, key_check, object_salt, commitment,
                    plain if kind == 1 else None, metadata_hash, sealed_oek, raw[:-48])


def open_oek(envelope: Envelope, source_key: bytes, realm: str, bucket: str, key: str) -> bytes:
    label = b"sealgate/1 oek"
    if envelope.key_check is not None:
        label = b"sealgate/1 customer oek"
        check = hkdf(source_key, envelope.object_salt, b"sealgate/1 customer check")
        if not hmac.compare_digest(check, envelope.key_check):
            raise Refused("another customer key")
    sealing_key = hkdf(source_key, envelope.object_salt, label)
    aad = envelope.before + lp(realm) + lp(bucket) + lp(key)
    oek = gcm_open(sealing_key, bytes(12), envelope.sealed_oek, aad)
    if not hmac.compare_digest(hkdf(oek, b"", b"sealgate/1 commit"), envelope.commitment):
        raise Refused("the envelope commits to another key")
    return oek


def metadata_hash(headers: dict[str, str], metadata: dict[str, str]) -> bytes:
    entries = {"content-type": headers.get("content-type", "").strip(" \t") or "binary/octet-stream"}
    codings = [coding.strip(" \t") for coding in headers.get("content-encoding", "").split(",")]
    encoding = ",".join(coding for coding in codings if coding and coding.lower() != "aws-chunked")
    if encoding:
        entries["content-encoding"] = encoding
    for name in HEADERS:
        if value := headers.get(name, "").strip(" \t"):
            entries[name] = value
    for name, value in metadata.items():
        if name.lower() != "sealgate":
            entries["x-amz-meta-" + name.lower()] = value.strip(" \t")
    ordered = sorted((name.encode("latin1"), value.encode("latin1")) for name, value in entries.items())
    return hashlib.sha256(b"".join(lp(name) + lp(value) for name, value in ordered)).digest()


# Section 6: footer

@dataclass
class Part:
    number: int
    size: int
    salt: bytes
    checksum: bytes


@dataclass
class Footer:
    plain: int
    parts: list[Part]
    checksums: dict[str, bytes]
    type: int
    part_algorithm: int
    length: int


def open_footer(oek: bytes, stored: bytes) -> Footer:
    if len(stored) < 40 or stored[-4:] != b"SGF1":
        raise Refused("no footer")
    salt, length = stored[-40:-8], int.from_bytes(stored[-8:-4], "big")
    if length + 40 > 80 * most_parts(plain_length(len(stored))) + 256:
        raise Refused("footer too long")
    key = hkdf(oek, salt, b"sealgate/1 footer")
    aad = struct.pack(">I", length) + b"SGF1" + struct.pack(">Q", len(stored))
    read = Bytes(gcm_open(key, bytes(12), stored[-40 - length : -40], aad))
    if read.take(2) != b"\x01\x00":
        raise Refused("unknown version or flags of the footer")
    plain, stored_size, count = read.number(8), read.number(8), read.number(2)
    kind, part_algorithm = read.number(1), read.number(1)
    if kind > 2 or part_algorithm > 5:
        raise Refused("unknown checksum type or algorithm")
    checksums, last = {}, 0
    for _ in range(read.number(1)):
        number, size = read.number(1), read.number(1)
        if number <= last or CHECKSUM_LENGTHS.get(number) != size:
            raise Refused("checksums out of order or of a wrong length")
        checksums[CHECKSUM_NAMES[number]], last = read.take(size), number
    parts = []
    for _ in range(count):
        number, size, part_salt, checksum = read.number(2), read.number(6), read.take(32), read.take(32)
        used = CHECKSUM_LENGTHS.get(part_algorithm, 0)
        if not (parts[-1].number if parts else 0) < number <= 10_000 or any(checksum[used:]) or any(read.take(8)):
            raise Refused("part table")
        parts.append(Part(number, size, part_salt, checksum[:used]))
    read.end()
    if stored_size != len(stored) or stored_length(plain) != len(stored) or count > most_parts(plain):
        raise Refused("sizes of the footer")
    if parts and sum(part.size for part in parts) != plain:
        raise Refused("parts do not add up")
    return Footer(plain, parts, checksums, kind, part_algorithm, length)


# Section 4 and 8: the object

def open_part(oek: bytes, part: Part, sealed: bytes) -> bytes:
    key = hkdf(oek, part.salt, b"sealgate/1 part" + struct.pack(">I", part.number))
    segments = max(1, -(-part.size // S))
    plain = []
    for index in range(segments):
        nonce = index.to_bytes(11, "big") + bytes([index == segments - 1])
        plain.append(gcm_open(key, nonce, sealed[index * (S + 16) : (index + 1) * (S + 16)]))
    result = b"".join(plain)
    if len(result) != part.size:
        raise Refused("part of another size")
    return result


def open_object(keys: Keys, bucket: str, key: str, attributes: dict, stored: bytes) -> tuple[bytes, Footer]:
    envelope = parse_envelope(attributes["metadata"]["sealgate"])
    if envelope.key_check is not None:
        raise Refused("stored with a customer's own key, which no key service has")
    dek = key_ring.unwrap(keys, bucket, envelope.cmk_id, envelope.wrapped, envelope.dek_id)
    oek = open_oek(envelope, dek, keys.realm, bucket, key)
    if not hmac.compare_digest(metadata_hash(attributes["headers"], attributes["metadata"]), envelope.metadata_hash):
        raise Refused("metadata are not those that were sealed")
    return open_body(envelope.plain, oek, stored)


def open_body(announced: int | None, oek: bytes, stored: bytes) -> tuple[bytes, Footer]:
    plain = plain_length(len(stored))
    if announced is not None and announced != plain:
        raise Refused("length differs from the envelope's")
    footer = open_footer(oek, stored)
    if (announced is None) != bool(footer.parts):
        raise Refused("kind of the envelope and parts of the footer differ")
    parts = footer.parts or [Part(0, plain, b"", b"")]
    out, at = [], 0
    for part in parts:
        length = sealed_part(part.size)
        out.append(open_part(oek, part, stored[at : at + length]))
        at += length
    padding = len(stored) - at - footer.length - 40
    if padding < 0 or any(stored[at : at + padding]):
        raise Refused("padding")
    result = b"".join(out)
    check_digests(result, footer)
    return result, footer


def check_digests(plain: bytes, footer: Footer) -> None:
    """Those that Python has; composite ones are digests of the parts' digests."""
    for name, algorithm in (("SHA1", "sha1"), ("SHA256", "sha256"), ("MD5", "md5")):
        if name not in footer.checksums:
            continue
        of = b"".join(part.checksum for part in footer.parts) if footer.type == 2 and name != "MD5" else plain
        if hashlib.new(algorithm, of).digest() != footer.checksums[name]:
            raise Refused(f"{name} differs")


def main(arguments: list[str]) -> int:
    if len(arguments) != 5:
        print(__doc__, file=sys.stderr)
        return 2
    keys_file, bucket, key, attributes_file, object_file = arguments
    with open(keys_file) as file:
        keys = Keys(json.load(file))
    with open(attributes_file) as file:
        attributes = json.load(file)
    with open(object_file, "rb") as file:
        stored = file.read()
    try:
        plain, _ = open_object(keys, bucket, key, attributes, stored)
    except Refused as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(plain)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
