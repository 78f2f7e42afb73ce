"""Signatures as ssh makes and checks them, and what becomes of them when a byte is changed."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from billing_as_code.errors import UsageError
from billing_as_code.gate import keys, sshsig
from billing_as_code.gate.sshsig import BadSignature, PublicKey

NAMESPACE = "bac-approval-v1"
KEY = Ed25519PrivateKey.generate()
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
LINE = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
PUBLIC = sshsig.public_of(PRIVATE)
needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")


def string(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def armored(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n"


def checked_by_ssh(folder: Path, key: str, signature: str, message: bytes, namespace: str = NAMESPACE) -> bool:
    """Whether `ssh-keygen -Y verify` takes it."""
    (folder / "allowed").write_text(f"ada {key}\n")
    (folder / "sig").write_text(signature)
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "ada", "-n", namespace, "-s", "sig"]
    return subprocess.run(command, cwd=folder, input=message, capture_output=True).returncode == 0


@given(st.binary(max_size=200))
def test_a_signature_is_of_its_message_key_and_purpose(message: bytes) -> None:
    signature = sshsig.sign(PRIVATE, message, NAMESPACE)
    sshsig.verify(signature, message, NAMESPACE, PUBLIC)
    other = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    for args in (
        (signature, message + b"!", NAMESPACE, PUBLIC),
        (signature, message, "git", PUBLIC),
        (signature, message, NAMESPACE, sshsig.public_of(other)),
        (sshsig.sign(other, message, NAMESPACE), message, NAMESPACE, PUBLIC),
        (sshsig.sign(PRIVATE, message, "git"), message, NAMESPACE, PUBLIC),
    ):
        with pytest.raises(BadSignature):
            sshsig.verify(*args)


@given(st.data())
def test_a_signature_with_any_byte_changed_taken_out_or_added_does_not_count(data: st.DataObject) -> None:
    whole = base64.b64decode("".join(sshsig.sign(PRIVATE, b"yes", NAMESPACE).splitlines()[1:-1]))
    at = data.draw(st.integers(0, len(whole) - 1))
    by = data.draw(st.integers(1, 255))
    for changed in (
        whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :],
        whole[:at] + whole[at + 1 :],
        whole[:at],
        whole[:at] + bytes([by]) + whole[at:],
        whole + bytes([by]),
    ):
        with pytest.raises(BadSignature):
            sshsig.verify(armored(changed), b"yes", NAMESPACE, PUBLIC)


@given(st.text() | st.binary().map(armored))
def test_anything_else_is_no_signature(text: str) -> None:
    with pytest.raises(BadSignature):
        sshsig.verify(text, b"yes", NAMESPACE, PUBLIC)


@needs_ssh
def test_ssh_takes_our_signatures_and_we_take_those_of_ssh(tmp_path: Path) -> None:
    assert checked_by_ssh(tmp_path, LINE, sshsig.sign(PRIVATE, b"yes", NAMESPACE), b"yes")
    assert not checked_by_ssh(tmp_path, LINE, sshsig.sign(PRIVATE, b"yes", NAMESPACE), b"no")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    for hashed in ("sha256", "sha512"):
        (tmp_path / "m").write_bytes(b"yes")
        command = ["ssh-keygen", "-q", "-Y", "sign", "-O", f"hashalg={hashed}", "-n", NAMESPACE, "-f", "key", "m"]
        subprocess.run(command, cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)
        sshsig.verify((tmp_path / "m.sig").read_text(), b"yes", NAMESPACE, keys.public_key(tmp_path / "key"))
        (tmp_path / "m.sig").unlink()


@needs_ssh
@pytest.mark.parametrize("flags", [0, 1, 5])
def test_a_security_keys_signature_counts_where_somebody_touched_it(tmp_path: Path, flags: int) -> None:
    """A security key made of software, whose signatures ssh takes; we want a touch besides."""
    kind, application = b"sk-ssh-ed25519@openssh.com", b"ssh:"
    blob = string(kind, KEY.public_key().public_bytes_raw(), application)
    inner = b"SSHSIG" + string(NAMESPACE.encode(), b"", b"sha512", hashlib.sha512(b"yes").digest())
    extra = bytes([flags]) + (7).to_bytes(4, "big")
    raw = KEY.sign(hashlib.sha256(application).digest() + extra + hashlib.sha256(inner).digest())
    body = string(blob, NAMESPACE.encode(), b"", b"sha512", string(kind, raw) + extra)
    signature = armored(b"SSHSIG" + (1).to_bytes(4, "big") + body)
    key = sshsig.public_key(blob)
    line = f"{kind.decode()} {base64.b64encode(blob).decode()}"
    assert checked_by_ssh(tmp_path, line, signature, b"yes")
    with pytest.raises(BadSignature, match="does not fit" if flags else "without a touch"):
        sshsig.verify(signature, b"no", NAMESPACE, key)
    if flags:
        sshsig.verify(signature, b"yes", NAMESPACE, key)


@needs_ssh
def test_a_key_file_says_which_key_it_is_passphrase_or_not(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked], check=True)
    assert keys.public_key(locked) == keys.public_key(tmp_path / "locked.pub")
    (tmp_path / "open").write_bytes(PRIVATE)
    (tmp_path / "key.pub").write_text(f"{LINE} ada@home\n")
    assert keys.public_key(tmp_path / "open") == keys.public_key(tmp_path / "key.pub") == PUBLIC
    assert PUBLIC.fingerprint.startswith("SHA256:") and "=" not in PUBLIC.fingerprint


@needs_ssh
def test_a_key_with_a_passphrase_signs_through_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked, ask = tmp_path / "locked", tmp_path / "ask"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked], check=True)
    for answer, is_right in (("secret", True), ("wrong", False)):
        ask.write_text(f"#!/bin/sh\necho {answer}\n")
        ask.chmod(0o700)
        monkeypatch.setenv("SSH_ASKPASS", str(ask))
        monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
        if is_right:
            sshsig.verify(keys.sign(locked, b"yes", NAMESPACE), b"yes", NAMESPACE, keys.public_key(locked))
        else:
            with pytest.raises(UsageError, match="ssh-keygen did not sign with"):
                keys.sign(locked, b"yes", NAMESPACE)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs ssh-keygen to sign"):
        keys.sign(locked, b"yes", NAMESPACE)


@pytest.mark.parametrize(
    "content", ["", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----"]
)
def test_other_files_are_no_keys(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(UsageError, match="An ed25519 key of ssh is wanted"):
        keys.public_key(file)


def test_the_key_is_the_named_one_or_the_variables_or_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match="no ed25519 key in"):
        keys.chosen(None, {})
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").write_bytes(PRIVATE)
    assert keys.chosen(None, {}) == tmp_path / ".ssh/id_ed25519"
    assert keys.chosen(None, {"BAC_APPROVAL_KEY": "~/k"}) == tmp_path / "k"
    assert keys.chosen(Path("mine"), {"BAC_APPROVAL_KEY": "~/k"}) == Path("mine")


def test_a_key_is_its_bytes() -> None:
    assert PublicKey("ssh-ed25519", PUBLIC.blob) == PUBLIC
    with pytest.raises(BadSignature, match="must be ed25519"):
        sshsig.public_key(string(b"ssh-rsa", b"x" * 32))
