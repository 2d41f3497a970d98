"""Signatures over a folder of files, in the form of OpenSSF model-signing 1.1 for an elliptic-curve key.

The signature is a Sigstore bundle that holds a DSSE envelope over an in-toto Statement v1, which names the SHA-256 of
every file. `model_signing verify key` accepts it, and so does a shell with openssl and sha256sum: see
docs/howto/verify-a-bundle.md.

https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md, https://github.com/in-toto/attestation
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from flyball_runtime.errors import Refused
from flyball_runtime.manifest import SIGNATURE_NAME
from flyball_runtime.trust import Trust, TrustedKey, key_id, load_public_key, pem_digest, read_trust

__all__ = [
    "FilesDiffer",
    "KeyNotTrusted",
    "KeyRevoked",
    "SignatureInvalid",
    "key_id",
    "pre_authentication_encoding",
    "sign_files",
    "verify_files",
]

_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE_TYPE = "https://model_signing/signature/v1.0"
_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


class SignatureInvalid(Refused):
    """The signature file is damaged, or no signature over the payload that it holds."""

    code = "FB-SIGN-002"


class KeyNotTrusted(Refused):
    """The files are signed, but by none of the keys that were given as trusted."""

    code = "FB-SIGN-003"


class KeyRevoked(Refused):
    """The files are signed by a key that has been revoked."""

    code = "FB-SIGN-004"


class FilesDiffer(Refused):
    """A file was edited, added or removed after signing."""

    code = "FB-SIGN-005"


def sign_files(
    files: Mapping[str, bytes], sign: Callable[[bytes], bytes], public_pem: bytes, *, name: str = "bundle"
) -> bytes:
    """The bytes of the file `signature` over every other file of `files`.

    sign: makes an ECDSA-SHA256 signature in DER form with the private key of `public_pem`, which must be on P-256.
    name: what to call the folder; only informative.
    """
    payload = _statement({key: data for key, data in files.items() if key != SIGNATURE_NAME}, name)
    signature = sign(pre_authentication_encoding(payload))
    return json.dumps(_document(payload, signature, public_pem), separators=(",", ":")).encode()


def verify_files(files: Mapping[str, bytes], signature: bytes, trust: Trust) -> str:
    """The id of the trusted, unrevoked key that signed exactly these files (an entry `signature` is passed over).

    Raises SignatureInvalid, KeyNotTrusted, KeyRevoked or FilesDiffer.
    """
    document, payload, value = _open_envelope(signature)
    signer = _find_signer(payload, value, read_trust(trust))
    if document != _document(payload, value, signer.pem):
        raise SignatureInvalid("the signature file was edited around its signature", where=SIGNATURE_NAME, fix=_FIX)
    signed = _read_statement(payload)
    actual = {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != SIGNATURE_NAME}
    changes = [f"{name} was edited" for name in sorted(signed.keys() & actual) if signed[name] != actual[name]]
    changes += [f"{name} is missing" for name in sorted(signed.keys() - actual)]
    changes += [f"{name} was added" for name in sorted(actual.keys() - signed)]
    if changes:
        raise FilesDiffer("the files are not those that were signed", why="; ".join(changes), fix=_FIX)
    return signer.id


def pre_authentication_encoding(payload: bytes) -> bytes:
    """What a DSSE signature over an in-toto payload really signs."""
    return b"DSSEv1 %d %s %d " % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(payload)) + payload


_FIX = "fetch the bundle again from where it was published; do not use this copy"


def _statement(files: Mapping[str, bytes], name: str) -> bytes:
    whole = hashlib.sha256()
    resources = []
    for key in sorted(files):
        digest = hashlib.sha256(files[key])
        whole.update(digest.digest())
        resources.append({"algorithm": "sha256", "name": key, "digest": digest.hexdigest()})
    statement = {
        "_type": _STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": whole.hexdigest()}}],
        "predicateType": _PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "ignore_paths": [SIGNATURE_NAME],
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
            },
            "resources": resources,
        },
    }
    # One member a line, as model-signing writes it: a shell script can then read it with sed.
    return json.dumps(statement, indent=2).encode()


def _document(payload: bytes, signature: bytes, public_pem: bytes) -> dict[str, Any]:
    return {
        "mediaType": _MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": pem_digest(public_pem)}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }


def _open_envelope(signature: bytes) -> tuple[dict[str, Any], bytes, bytes]:
    try:
        document = json.loads(signature)
        envelope = document["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        (single,) = envelope["signatures"]
        value = base64.b64decode(single["sig"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        why = f"{type(error).__name__}: {error}"
        raise SignatureInvalid("the signature file cannot be read", where=SIGNATURE_NAME, why=why, fix=_FIX) from error
    return document, payload, value


def _find_signer(payload: bytes, signature: bytes, keys: tuple[TrustedKey, ...]) -> TrustedKey:
    for key in keys:
        if not _verifies(key, payload, signature):
            continue
        if key.revoked:
            raise KeyRevoked(
                "the files are signed by a revoked key",
                where=f"key {key.id}",
                fix="sign the version again with a key in force, or fetch a bundle that is signed with one",
            )
        return key
    raise KeyNotTrusted(
        "no trusted key made this signature",
        where=SIGNATURE_NAME,
        why="trusted: " + ", ".join(key.id[:16] for key in keys),
        fix="check whose bundle this is; an edited signature file also ends here",
    )


def _verifies(key: TrustedKey, payload: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        load_public_key(key.pem).verify(signature, pre_authentication_encoding(payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _read_statement(payload: bytes) -> dict[str, str]:
    try:
        statement: dict[str, Any] = json.loads(payload)
        if statement["_type"] != _STATEMENT_TYPE or statement["predicateType"] != _PREDICATE_TYPE:
            raise ValueError("not a model signature of version 1.0")
        resources = statement["predicate"]["resources"]
        signed = {str(item["name"]): str(item["digest"]) for item in resources}
        if len(signed) != len(resources) or any(item["algorithm"] != "sha256" for item in resources):
            raise ValueError("a file is named twice, or not by its SHA-256")
        whole = hashlib.sha256(b"".join(bytes.fromhex(item["digest"]) for item in resources)).hexdigest()
        if [subject["digest"]["sha256"] for subject in statement["subject"]] != [whole]:
            raise ValueError("the digest over all files does not fit them")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignatureInvalid("the signed statement cannot be read", where=SIGNATURE_NAME, why=str(error)) from error
    return signed
