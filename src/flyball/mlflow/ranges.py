"""Which bytes of a file a request asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Span", "asked_span"]

_ONE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to before `stop` of `size`; `partial` when that is not simply the whole file."""

    start: int
    stop: int
    size: int
    partial: bool

    @property
    def length(self) -> int:
        return self.stop - self.start


def asked_span(headers: Mapping[str, str], size: int, etag: str) -> Span | None:
    """What to answer a request with; None when no byte of the file is asked for (status 416).

    What is no range of bytes, or several, is answered with the whole file, as the standard allows; so is a range of
    another version of it (`If-Range`).

    >>> asked_span({"range": "bytes=4-"}, 10, "x"), asked_span({"range": "bytes=10-"}, 10, "x")
    (Span(start=4, stop=10, size=10, partial=True), None)
    """
    whole = Span(0, size, size, partial=False)
    match = _ONE.fullmatch(headers.get("range", ""))
    if match is None or headers.get("if-range", etag) != etag or not (match[1] or match[2]):
        return whole
    if not match[1]:
        start, stop = max(0, size - int(match[2])), size
    else:
        start, stop = int(match[1]), size if not match[2] else min(size, int(match[2]) + 1)
        if match[2] and int(match[2]) < start:
            return whole
    return Span(start, stop, size, partial=True) if start < stop else None
