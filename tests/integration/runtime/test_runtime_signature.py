"""A signature names every byte of every file, its key decides whether it counts, and other programs accept it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flyball_runtime.signature import (
    FilesDiffer,
    KeyNotTrusted,
    KeyRevoked,
    SignatureInvalid,
    key_id,
    sign_files,
    verify_files,
)
from flyball_runtime.trust import TrustInvalid, read_trust

FILES = {"a.txt": b"alpha", "b.bin": b"\x00\x01", "manifest.json": b"{}"}


@pytest.fixture(scope="module")
def signature(key: Any) -> bytes:
    return sign_files(FILES, key.sign, key.pem)


def test_the_signer_is_named_by_the_digest_of_its_public_key(key: Any, signature: bytes) -> None:
    der = key.private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert verify_files(FILES, signature, key.pem) == hashlib.sha256(der).hexdigest() == key_id(key.pem)
    assert verify_files(FILES | {"signature": b"anything"}, signature, key.pem) == key_id(key.pem)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"a.txt": b"Alpha"}, "a.txt was edited"),
        ({"c.txt": b""}, "c.txt was added"),
        ({"b.bin": None}, "b.bin is missing"),
    ],
)
def test_an_edited_added_or_missing_file_is_named(key: Any, signature: bytes, change: Any, named: str) -> None:
    files = {name: data for name, data in (FILES | change).items() if data is not None}
    with pytest.raises(FilesDiffer) as caught:
        verify_files(files, signature, key.pem)
    assert caught.value.why == named
    assert caught.value.exit_code == 1


def test_a_flip_of_any_bit_of_the_signature_file_is_refused(key: Any, signature: bytes) -> None:
    for position in range(len(signature)):
        broken = bytearray(signature)
        broken[position] ^= 1 << position % 8
        with pytest.raises((SignatureInvalid, KeyNotTrusted)):
            verify_files(FILES, bytes(broken), key.pem)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"null", b"\xff", b'{"dsseEnvelope":{}}', b"[" * 100_000])
def test_what_is_no_signature_file_is_refused(key: Any, raw: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        verify_files(FILES, raw, key.pem)


def test_another_key_is_refused_and_so_is_a_revoked_one(make_key: Any, key: Any, signature: bytes) -> None:
    with pytest.raises(KeyNotTrusted):
        verify_files(FILES, signature, make_key().pem)
    document = {"format": 1, "keys": [{"id": key_id(key.pem), "pem": key.pem.decode(), "revoked": True}]}
    with pytest.raises(KeyRevoked):
        verify_files(FILES, signature, document)
    with pytest.raises(KeyRevoked):
        verify_files(FILES, signature, [document, key.pem])


def test_a_signed_payload_that_is_no_model_signature_is_refused(key: Any, signature: bytes) -> None:
    from flyball_runtime import signature as module

    for payload in (b"{}", b"x", json.dumps({"_type": "https://in-toto.io/Statement/v1"}).encode()):
        value = key.sign(module.pre_authentication_encoding(payload))
        document = json.dumps(module._document(payload, value, key.pem)).encode()
        with pytest.raises(SignatureInvalid, match="statement"):
            verify_files(FILES, document, key.pem)


def test_trust_comes_as_text_bytes_files_documents_or_several(tmp_path: Any, make_key: Any, key: Any) -> None:
    other = make_key()
    pem = tmp_path / "key.pem"
    pem.write_bytes(key.pem + other.pem)
    document = {"format": 1, "keys": [{"pem": key.pem.decode()}]}
    trust = tmp_path / "trust.json"
    trust.write_text(json.dumps(document))
    for given in (key.pem, key.pem.decode(), pem, str(pem), trust, document, [key.pem], read_trust(key.pem)):
        assert key_id(key.pem) in [found.id for found in read_trust(given)]
    assert {found.id for found in read_trust([pem, document])} == {key_id(key.pem), key_id(other.pem)}


def test_what_holds_no_key_is_refused(tmp_path: Any, make_key: Any, key: Any) -> None:
    wrong_id = {"format": 1, "keys": [{"id": "0" * 64, "pem": key.pem.decode()}]}
    odd_revoked = {"format": 1, "keys": [{"pem": key.pem.decode(), "revoked": "false"}]}
    junk = tmp_path / "junk.json"
    junk.write_text("{")
    private = key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    p384 = make_key(ec.SECP384R1()).pem
    missing, folder = tmp_path / "none.pem", tmp_path
    for given in (
        [],
        {},
        b"",
        b"x",
        3,
        wrong_id,
        odd_revoked,
        junk,
        missing,
        folder,
        private,
        p384,
        {"format": 2, "keys": []},
    ):
        with pytest.raises(TrustInvalid):
            read_trust(given)
    with pytest.raises(TrustInvalid):
        read_trust("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")


def test_openssf_model_signing_accepts_our_bundle_and_names_a_change(
    make_files: Callable[..., dict[str, bytes]], key: Any, write: Callable[..., Any], tmp_path: Any
) -> None:
    folder = write(key.sign_bundle(make_files()))
    pem = tmp_path / "key.pem"
    pem.write_bytes(key.pem)
    program = "import sys, model_signing.verifying as v\n"
    program += "v.Config().use_elliptic_key_verifier(public_key=sys.argv[3]).verify(sys.argv[1], sys.argv[2])"
    # A process of its own: the package warns of its own imports, and warnings are errors here.
    command = [sys.executable, "-c", program, str(folder), str(folder / "signature"), str(pem)]
    good = subprocess.run(command, capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stderr
    (folder / "card.md").write_text("edited")
    bad = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bad.returncode != 0
    assert "card.md" in bad.stderr


def test_we_accept_what_openssf_model_signing_signs(key: Any, write: Callable[..., Any], tmp_path: Any) -> None:
    folder = write(FILES)
    private = tmp_path / "private.pem"
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    program = "import sys, model_signing.signing as s\n"
    program += "s.Config().use_elliptic_key_signer(private_key=sys.argv[3]).sign(sys.argv[1], sys.argv[2])"
    command = [sys.executable, "-c", program, str(folder), str(folder / "signature"), str(private)]
    subprocess.run(command, check=True, capture_output=True)
    assert verify_files(FILES, (folder / "signature").read_bytes(), key.pem) == key_id(key.pem)
