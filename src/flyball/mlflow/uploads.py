"""Uploads in parts: `mpu/create`, `complete` and `abort` of the MLflow protocol, and `resume`, which its clients lack."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from flyball.mlflow.errors import invalid
from flyball.mlflow.links import Links
from flyball.store import PartsDiffer
from flyball.tracking.files import Files

__all__ = ["UploadCalls"]

_MOST_PARTS = 10_000
_LINK_SECONDS = 3600.0
_REMEMBERED = 1000
Done = TypeVar("Done")
Fields = Mapping[str, Any]
Work = Callable[[Callable[[], dict[str, Any]]], Awaitable[dict[str, Any]]]


class UploadCalls:
    """Answers calls about uploads. One event loop; what asks the store runs in `work`."""

    def __init__(self, files: Files, links: Links) -> None:
        self._files, self._links = files, links
        self._ended: OrderedDict[str, asyncio.Task[dict[str, Any]]] = OrderedDict()

    async def __call__(self, act: str, place: str, fields: Fields, *, base: str, work: Work) -> dict[str, Any]:
        """One call. place: the folder that the file goes to; base: where clients reach this server.

        Raises ProtocolError, PathRefused, UploadUnknown, PartsDiffer and the errors of the store.
        """
        name = f"{place}/{_name(fields)}"
        if act == "create":
            return await work(lambda: self._create(name, _count(fields), base))
        upload = _text(fields, "upload_id")
        if act == "resume":
            return await work(lambda: self._resume(upload, _count(fields), base))
        if act == "abort":
            return await work(lambda: self._abort(upload))
        return await self._once(upload, lambda: self._complete(name, upload, fields), work)

    async def _once(self, upload: str, complete: Callable[[], dict[str, Any]], work: Work) -> dict[str, Any]:
        """Complete an upload once, however often that is asked: who waited too long for the answer asks again."""
        known = self._ended.get(upload)
        if known is None:
            known = self._ended[upload] = asyncio.ensure_future(_running(work, complete))
            while len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)
        try:
            return await asyncio.shield(known)
        except Exception:
            self._ended.pop(upload, None)
            raise

    def _create(self, name: str, count: int, base: str) -> dict[str, Any]:
        self._files.check_free(name)
        upload = self._files.artifacts.uploads.begin()
        return {"upload_id": upload, "credentials": self._credentials(upload, range(1, count + 1), base)}

    def _resume(self, upload: str, count: int, base: str) -> dict[str, Any]:
        held = self._files.artifacts.uploads.parts(upload)
        missing = [number for number in range(1, count + 1) if number not in held]
        return {
            "upload_id": upload,
            "parts": [{"part_number": number, "size": part.size} for number, part in sorted(held.items())],
            "credentials": self._credentials(upload, missing, base),
        }

    def _complete(self, name: str, upload: str, fields: Fields) -> dict[str, Any]:
        uploads = self._files.artifacts.uploads
        digest = uploads.join(upload, _etags(fields))
        wanted = fields.get("sha256")
        if wanted is not None and wanted != digest:
            raise PartsDiffer(
                "what arrived is not what was sent", where=name, why=f"it hashes to {digest[:12]}…, not {str(wanted)[:12]}…",
                fix="send it again, as a new upload",
            )  # fmt: skip
        entry = self._files.name(name, digest)
        uploads.drop(upload)
        return {"sha256": digest, "file_size": entry.size}

    def _abort(self, upload: str) -> dict[str, Any]:
        self._files.artifacts.uploads.drop(upload)
        return {}

    def _credentials(self, upload: str, numbers: Iterable[int], base: str) -> list[dict[str, Any]]:
        uploads = self._files.artifacts.uploads

        def link(number: int) -> dict[str, Any]:
            theirs = uploads.link(upload, number, _LINK_SECONDS)
            url = theirs or base + self._links.sign("PUT", f"parts/{upload}/{number}", _LINK_SECONDS)
            return {"url": url, "part_number": number, "headers": dict(uploads.headers) if theirs else {}}

        return [link(number) for number in numbers]


async def _running(work: Work, complete: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return await work(complete)


def _name(fields: Fields) -> str:
    """The last part of the path of the sender's file, on whatever system that lies."""
    return re.split(r"[/\\]", _text(fields, "path"))[-1]


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"Missing value for required parameter '{name}'")
    return value


def _count(fields: Fields) -> int:
    value = fields.get("num_parts", 1)
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= _MOST_PARTS:
        raise invalid(f"num_parts must be a number from 1 to {_MOST_PARTS:,}")
    return number


def _etags(fields: Fields) -> dict[int, str | None]:
    parts = fields.get("parts")
    if not isinstance(parts, list) or len(parts) > _MOST_PARTS:
        raise invalid("Missing value for required parameter 'parts'")
    etags: dict[int, str | None] = {}
    for part in parts:
        number = part.get("part_number") if isinstance(part, dict) else None
        etag = part.get("etag") if isinstance(part, dict) else None
        if isinstance(number, bool) or not isinstance(number, int) or not isinstance(etag, str | None):
            raise invalid("parts must be a list of {part_number, etag}")
        etags[number] = etag or None
    return etags
