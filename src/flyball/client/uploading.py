"""Sending files: small ones at once, large ones in parts, so that what broke off goes on where it was."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flyball.client.errors import Refusal
from flyball.client.sending import Sender, Unreachable

__all__ = ["artifact_root", "send_file"]

_PART = 8 << 20
_MOST_PARTS = 10_000
_CHUNK = 1 << 20
_GONE, _ENDED = 404, (403, 404)


def artifact_root(sender: Sender, run: str) -> str:
    """Where the server keeps the files of a run. Raises Unreachable; Refusal also when another store has them."""
    uri = str(sender.call("runs/get", {"run_id": run}, method="GET")["run"]["info"]["artifact_uri"])
    scheme, _, place = uri.partition(":")
    if scheme != "mlflow-artifacts":
        raise Refusal("the files of this run are not kept by the server", where=run, why=f"they belong to {uri[:200]}")
    if place.startswith("//"):  # a server is named, which is the one that said so
        place = place[2:].partition("/")[2]
    return place.strip("/")


def send_file(sender: Sender, place: str, file: Path) -> None:
    """Let the server have the content of `file` as the artifact `place`, verified by its hash.

    A file beside it, `NAME.upload`, remembers how far a large one is; a later call, in another process too, goes on
    from there. Raises Unreachable when it is to be tried again later; Refusal; OSError when the file cannot be read.
    """
    size, digest = file.stat().st_size, _hash(file)
    if size <= _PART:
        _send_whole(sender, place, file.read_bytes(), digest)
        return
    upload = _Upload(sender, place, file, size, digest)
    try:
        upload.run()
    except Refusal as refused:
        if refused.answered != _GONE:
            raise
        if _holds(sender, place, digest):  # the last answer was lost on the way
            return
        upload.forget()
        upload.run()
    finally:
        if not file.exists():
            upload.forget()


class _Upload:
    def __init__(self, sender: Sender, place: str, file: Path, size: int, digest: str) -> None:
        self._sender, self._file, self._digest = sender, file, digest
        self._folder, _, self._name = place.rpartition("/")
        self._part = max(_PART, math.ceil(size / _MOST_PARTS))
        self._count = math.ceil(size / self._part)
        self._state = file.with_name(f"{file.name}.upload")

    def run(self) -> None:
        """Send what is missing, then let it be the file."""
        upload, missing = self._begun()
        etags: dict[int, str] = {}
        before = self._count + 1
        while missing:
            if len(missing) >= before:
                raise Unreachable("none of the parts is taken, although there are new links to them")
            before = len(missing)
            with self._file.open("rb") as file:
                for link in missing:
                    try:
                        etags[int(link["part_number"])] = self._send(file, link)
                    except Refusal as refused:
                        if refused.answered not in _ENDED:
                            raise
                        break  # the link has ended, or the upload has: the server says which, and gives new ones
            missing = self._missing(upload)
        parts = [{"part_number": number, "etag": etags.get(number)} for number in range(1, self._count + 1)]
        self._call("complete", {"upload_id": upload, "parts": parts, "sha256": self._digest})
        self.forget()

    def forget(self) -> None:
        """Begin anew the next time."""
        self._state.unlink(missing_ok=True)

    def _begun(self) -> tuple[str, list[Mapping[str, Any]]]:
        known = self._remembered()
        if known is not None:
            return known, self._missing(known)
        made = self._call("create", {"num_parts": self._count})
        upload = str(made["upload_id"])
        staging = self._state.with_name(f"{self._state.name}.new")
        staging.write_text(json.dumps({"upload": upload, "sha256": self._digest, "part": self._part}))
        staging.replace(self._state)
        return upload, list(made["credentials"])

    def _remembered(self) -> str | None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            state = json.loads(self._state.read_text())
            if state["sha256"] == self._digest and state["part"] == self._part:
                return str(state["upload"])
        return None

    def _missing(self, upload: str) -> list[Mapping[str, Any]]:
        return list(self._call("resume", {"upload_id": upload, "num_parts": self._count})["credentials"])

    def _send(self, file: Any, link: Mapping[str, Any]) -> str:
        file.seek((int(link["part_number"]) - 1) * self._part)
        return self._sender.put(str(link["url"]), file.read(self._part), link.get("headers") or {})

    def _call(self, act: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        return self._sender.files(f"mpu/{act}/{quote(self._folder)}", {"path": self._name, **fields})


def _send_whole(sender: Sender, place: str, data: bytes, digest: str) -> None:
    coded = base64.b64encode(bytes.fromhex(digest)).decode()
    sender.put(f"artifacts/{quote(place)}", data, {"content-digest": f"sha-256=:{coded}:"})


def _holds(sender: Sender, place: str, digest: str) -> bool:
    try:
        found = sender.files(f"presigned/{quote(place)}", None)
    except Refusal:
        return False
    return found.get("sha256") == digest


def _hash(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(_CHUNK):
            found.update(piece)
    return found.hexdigest()
