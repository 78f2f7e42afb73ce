"""Signatures in ssh's own format (SSHSIG, as `ssh-keygen -Y sign` writes them), of ed25519 keys.

The one door to `cryptography`. Keys on security keys (`sk-ssh-ed25519@openssh.com`) sign the same way with a few bytes
more around the message: the application, whether somebody touched the key, and a counter.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import NamedTuple

PLAIN, HARDWARE = "ssh-ed25519", "sk-ssh-ed25519@openssh.com"
TYPES = (PLAIN, HARDWARE)
_MAGIC, _OPENSSH = b"SSHSIG", b"openssh-key-v1\0"
_HEAD, _FOOT = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_TOUCHED = 1
_MOST = 16_384


class BadSignature(ValueError):
    """What should be a signature is none, or not of this; its text says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key as ssh writes it: its type, and its bytes with the type in them."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """`SHA256:...`, as `ssh-keygen -l` shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


class _Parsed(NamedTuple):
    key: PublicKey
    namespace: bytes
    hash: str
    signature: bytes


def public_key(blob: bytes) -> PublicKey:
    """The key in these bytes. Raises BadSignature where they are no ed25519 key."""
    kind, *rest = _strings(blob, 3 if _starts(blob, HARDWARE) else 2)
    if kind.decode(errors="replace") not in TYPES or len(rest[0]) != 32:
        raise BadSignature(f"is a key of type {kind[:40].decode(errors='replace')}, and must be ed25519")
    return PublicKey(kind.decode(), blob)


def verify(armored: str, message: bytes, namespace: str, key: PublicKey) -> None:
    """Raises BadSignature unless this is the key's signature of the message, made for the namespace."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    parsed = _parse(armored)
    if parsed.key != key:
        raise BadSignature("is of another key")
    if parsed.namespace != namespace.encode():
        raise BadSignature("was made for something else")
    signed = _signed(parsed.namespace, parsed.hash, message)
    tail = 5 if key.type == HARDWARE else 0
    body, extra = (parsed.signature[:-tail], parsed.signature[-tail:]) if tail else (parsed.signature, b"")
    kind, raw = _strings(body, 2)
    if kind.decode(errors="replace") != key.type:
        raise BadSignature("is of another type than its key")
    point, *application = _strings(key.blob, 3 if tail else 2)[1:]
    if tail:
        if not extra[0] & _TOUCHED:
            raise BadSignature("was made without a touch of the security key")
        signed = hashlib.sha256(application[0]).digest() + extra + hashlib.sha256(signed).digest()
    try:
        Ed25519PublicKey.from_public_bytes(point).verify(raw, signed)
    except (InvalidSignature, ValueError) as error:
        raise BadSignature("does not fit what was signed") from error


def key_of(armored: str) -> PublicKey:
    """The key that a signature says that it is of. Raises BadSignature where it is none."""
    return _parse(armored).key


def sign(private: bytes, message: bytes, namespace: str) -> str:
    """The signature of a private key in OpenSSH's format that has no passphrase. Raises BadSignature for others."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        key = load_ssh_private_key(private, password=None)
    except (ValueError, TypeError) as error:
        raise BadSignature("is no private key without a passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadSignature("is no ed25519 key")
    blob = _string(PLAIN.encode()) + _string(key.public_key().public_bytes_raw())
    raw = key.sign(_signed(namespace.encode(), "sha512", message))
    whole = _MAGIC + (1).to_bytes(4, "big") + _string(blob) + _string(namespace.encode()) + _string(b"")
    whole += _string(b"sha512") + _string(_string(PLAIN.encode()) + _string(raw))
    text = base64.b64encode(whole).decode()
    return "\n".join([_HEAD, *(text[i : i + 70] for i in range(0, len(text), 70)), _FOOT, ""])


def public_of(private: bytes) -> PublicKey:
    """The public half of a private key in OpenSSH's format, which stands there in the clear, passphrase or not.

    Raises BadSignature where it is no such key.
    """
    rows = private.decode(errors="replace").strip().splitlines()
    if len(rows) < 3 or "OPENSSH PRIVATE KEY" not in rows[0]:
        raise BadSignature("is no private key in OpenSSH's format")
    data = decoded("".join(rows[1:-1]))
    if not data.startswith(_OPENSSH):
        raise BadSignature("is no private key in OpenSSH's format")
    rest = data[len(_OPENSSH) :]
    for _ in range(3):  # cipher, key derivation and its options
        _, rest = _take(rest)
    blob, _ = _take(rest[4:])
    return public_key(blob)


# -- the bytes -------------------------------------------------------------------------------------


def _parse(armored: str) -> _Parsed:
    rows = armored.strip().splitlines()
    if len(armored) > _MOST or len(rows) < 3 or rows[0] != _HEAD or rows[-1] != _FOOT:
        raise BadSignature("is no ssh signature")
    data = decoded("".join(rows[1:-1]))
    if data[:10] != _MAGIC + (1).to_bytes(4, "big"):
        raise BadSignature("is no ssh signature of version 1")
    blob, namespace, reserved, hashed, signature = _strings(data[10:], 5)
    name = hashed.decode(errors="replace")
    if reserved or name not in _HASHES:
        raise BadSignature("is an ssh signature of an unknown form")
    return _Parsed(public_key(blob), namespace, name, signature)


def _signed(namespace: bytes, hashed: str, message: bytes) -> bytes:
    parts = (namespace, b"", hashed.encode(), _HASHES[hashed](message).digest())
    return _MAGIC + b"".join(map(_string, parts))


def decoded(text: str) -> bytes:
    """The bytes behind base64. Raises BadSignature."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature("is no base64") from error


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _take(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 or len(data) - 4 < size:
        raise BadSignature("is cut off")
    return data[4 : 4 + size], data[4 + size :]


def _strings(data: bytes, number: int) -> list[bytes]:
    """So many length-prefixed strings, and nothing behind them."""
    found = []
    for _ in range(number):
        one, data = _take(data)
        found.append(one)
    if data:
        raise BadSignature("has something behind its end")
    return found


def _starts(blob: bytes, kind: str) -> bool:
    return blob.startswith(_string(kind.encode()))
