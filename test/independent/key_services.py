"""
How a wrapped DEK is unwrapped by each key service, from src/envelope/FORMAT.md section 12 alone; no code of the gateway, no SDK but boto3 for AWS.

A file of keys is either a local keyring (one under a passphrase takes that from SEALGATE_KEYRING_PASSPHRASE), or JSON with the deployment's realm and how its key services are reached:
  {"realm": "…", "keyring": {…}, "passphrase": "…",
   "tencent": {"endpoint": "https://…", "region": "…", "secretId": "…", "secretKey": "…"},
   "aws": {"region": "…", "endpoint": null, "accessKeyId": null, "secretAccessKey": null},
   "vault": {"address": "https://…", "mount": "transit", "token": "…"},
   "current": "CMK id", "retired": ["CMK ids"], "ring": "a backup of the key ring"}     where CMKs are gone (key_ring.py)
"""
import base64
import hashlib
import hmac
import json
import os
import struct
import time
import urllib.error
import urllib.parse
import urllib.request

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Refused(Exception):
    """Something does not decode, open or add up (section 10)."""


def lp(value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(raw)) + raw


def gcm_open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes = b"") -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise Refused("a tag does not fit") from None
    except ValueError as error:
        raise Refused(str(error)) from None


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(key)


class Keys:
    """The key services of one deployment."""

    def __init__(self, description: dict):
        if "keys" in description or "sealed" in description:
            keyring = open_keyring(description, os.environ.get("SEALGATE_KEYRING_PASSPHRASE"))
            description = {"realm": keyring["realm"], "keyring": keyring}
        elif "keyring" in description:
            keyring = open_keyring(description["keyring"], description.get("passphrase"))
            description = {**description, "keyring": keyring}
        self.realm = description["realm"]
        self.services = description

    def unwrap(self, cmk_id: str, wrapped: bytes, bucket: str, dek_id: bytes) -> bytes:
        context = {"bucket": bucket, "dekId": dek_id.hex(), "realm": self.realm}
        for name, prefix, unwrap in (
            ("keyring", "local:", unwrap_local),
            ("tencent", "tencent:", unwrap_tencent),
            ("aws", "arn:", unwrap_aws),
            ("vault", "vault:", unwrap_vault),
        ):
            if cmk_id.startswith(prefix) and name in self.services:
                dek = unwrap(self.services[name], cmk_id, wrapped, context)
                if len(dek) != 32:
                    raise Refused("a DEK of another length")
                return dek
        raise Refused("no key service for this CMK")


def canonical(context: dict[str, str]) -> bytes:
    return b"".join(lp(name) + lp(context[name]) for name in sorted(context))


def open_keyring(keyring: dict, passphrase: str | None) -> dict:
    """Section 12.2; a clear one is given back as it is."""
    if keyring["version"] != 2:
        return keyring
    if passphrase is None:
        raise Refused("the keyring is under a passphrase")
    how = keyring["scrypt"]
    if how["N"] not in (2**17, 2**18) or (how["r"], how["p"]) != (8, 1):
        raise Refused("parameters of scrypt")
    key = hashlib.scrypt(passphrase.encode(), salt=base64.b64decode(how["salt"]), n=how["N"], r=8, p=1,
                         maxmem=2**31 - 1, dklen=32)
    clear = gcm_open(key, bytes(12), base64.b64decode(keyring["sealed"]), b"sealgate/keyring/v2")
    return json.loads(clear)


def unwrap_local(keyring: dict, cmk_id: str, wrapped: bytes, context: dict[str, str]) -> bytes:
    masters = {entry["id"]: base64.b64decode(entry["key"]) for entry in keyring["keys"]}
    if cmk_id not in masters:
        raise Refused("the CMK is not in the keyring")
    if len(wrapped) != 80:
        raise Refused("wrapped DEK of another length")
    key = hkdf(masters[cmk_id], wrapped[:32], b"sealgate/local-kms/wrap/v1")
    return gcm_open(key, bytes(12), wrapped[32:], lp(cmk_id) + lp(canonical(context)))


def unwrap_tencent(service: dict, cmk_id: str, wrapped: bytes, context: dict[str, str]) -> bytes:
    text = json.dumps(context, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    body = json.dumps({"CiphertextBlob": wrapped.decode(), "EncryptionContext": text}).encode()
    answer = post(service["endpoint"], body, tc3(service, "Decrypt", body)).get("Response", {})
    if "Error" in answer:
        raise Refused(f"Tencent KMS: {answer['Error']['Code']}")
    if f"tencent:{answer['KeyId']}" != cmk_id:
        raise Refused("wrapped under another CMK")
    return base64.b64decode(answer["Plaintext"])


def tc3(service: dict, action: str, body: bytes) -> dict[str, str]:
    """Signature method v3 of Tencent Cloud (TC3-HMAC-SHA256)."""
    now = int(time.time())
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    host = urllib.parse.urlsplit(service["endpoint"]).netloc
    signed = {"content-type": "application/json", "host": host, "x-tc-action": action.lower()}
    head = "".join(f"{name}:{value}\n" for name, value in signed.items())
    names = ";".join(signed)
    request = f"POST\n/\n\n{head}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{date}/kms/tc3_request"
    to_sign = f"TC3-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = ("TC3" + service["secretKey"]).encode()
    for part in (date, "kms", "tc3_request", to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    credential = f"Credential={service['secretId']}/{scope}"
    return {
        "Authorization": f"TC3-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={key.hex()}",
        "Content-Type": "application/json",
        "X-TC-Action": action,
        "X-TC-Region": service["region"],
        "X-TC-Timestamp": str(now),
        "X-TC-Version": "2019-01-18",
    }


def unwrap_aws(service: dict, cmk_id: str, wrapped: bytes, context: dict[str, str]) -> bytes:
    import boto3
    from botocore.exceptions import ClientError

    client = boto3.client(
        "kms", region_name=service["region"], endpoint_url=service.get("endpoint"),
        aws_access_key_id=service.get("accessKeyId"), aws_secret_access_key=service.get("secretAccessKey"))
    try:
        answer = client.decrypt(CiphertextBlob=wrapped, KeyId=cmk_id, EncryptionContext=context)
    except ClientError as error:
        raise Refused(f"AWS KMS: {error.response['Error']['Code']}") from None
    if answer["KeyId"] != cmk_id:
        raise Refused("wrapped under another CMK")
    return answer["Plaintext"]


def unwrap_vault(service: dict, cmk_id: str, wrapped: bytes, context: dict[str, str]) -> bytes:
    name = urllib.parse.quote(cmk_id.removeprefix("vault:"), safe="")
    body = {"ciphertext": wrapped.decode(), "associated_data": base64.b64encode(canonical(context)).decode()}
    url = f"{service['address']}/v1/{service['mount']}/decrypt/{name}"
    answer = post(url, json.dumps(body).encode(), {"X-Vault-Token": service["token"]})
    return base64.b64decode(answer["data"]["plaintext"])


def post(url: str, body: bytes, headers: dict[str, str]) -> dict:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refused(f"the key service answers {error.code}") from None
