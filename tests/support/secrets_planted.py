"""A table whose personal columns hold one token a cell that stands nowhere else, and a search for them in any bytes."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

__all__ = ["CLASSES", "PERSONAL", "Planted", "blobs", "planted"]

ROWS = 400
CLASSES = ("Kvothean", "Zyxwarth")
PERSONAL = ("person", "wage", "born", "ward", "odd", "grade", "clan", "seen", "counts", "mail", "illness", "cost")


class Planted:
    """The table, and every way in which one of its personal cells could be written."""

    def __init__(self, table: pl.DataFrame) -> None:
        self.table = table
        self._texts: dict[str, set[bytes]] = {name: set(_texts(table[name])) for name in PERSONAL}
        self._numbers = {name: set(_binary(table[name])) for name in PERSONAL}

    def found_in(self, data: bytes, *, without: tuple[str, ...] = ()) -> list[tuple[str, bytes]]:
        """Column and token of each personal cell that the bytes hold, as text or as a binary number."""
        texts = [data, data.replace(b"\\u", b""), data[::2], data[1::2], data[::4]]  # UTF-16 and UTF-32 too
        hits = []
        for name in PERSONAL:
            if name in without:
                continue
            hits += [(name, token) for token in self._texts[name] if any(_stands_in(token, text) for text in texts)]
            hits += [(name, token) for token in self._numbers[name] if token in data]
        return hits


def planted(seed: int = 11) -> Planted:
    """Personal columns in every part: identifier, feature, leak, group, time, weight, target; with an odd cell, a rare
    level and an outlier. `dose` and `colour` are what may be told."""
    rng = np.random.default_rng(seed)
    dose = rng.normal(size=ROWS).round(3)
    wage = 7_013_579 + rng.permutation(ROWS) * 1_237 + 0.625
    grade = rng.choice(["Gradivus", "Gradquirk", "Gradelbow"], ROWS).astype(object)
    grade[7] = "Gradrarest"
    ill = dose + 0.5 * (grade == "Gradquirk") + rng.normal(0, 0.6, ROWS) > 0
    odd = [str(91_000_003 + 7 * int(number)) for number in rng.permutation(ROWS)]
    odd[5] = "Oddquobble"
    begun, birth = datetime(2031, 1, 1, tzinfo=UTC), datetime(1921, 1, 1, tzinfo=UTC)
    return Planted(
        pl.DataFrame(
            {
                "person": [f"Personx{row:04}q" for row in range(ROWS)],
                "wage": wage,
                "born": [(birth + timedelta(days=61 * int(n))).date() for n in rng.permutation(ROWS)],
                "ward": np.where(ill, "Wardglim", "Wardoosh"),
                "odd": odd,
                "grade": grade,
                "clan": [f"Clanvex{number:02}" for number in np.arange(ROWS) % 40],
                "seen": [begun + timedelta(hours=7 * row, seconds=13 * row) for row in range(ROWS)],
                "counts": (3.0 + rng.permutation(ROWS) * 0.00390625 + 0.001953125),
                "mail": [f"mailq{row}@hushed.example" for row in range(ROWS)],
                "dose": dose,
                "colour": rng.choice(["red", "blue"], ROWS),
                "illness": np.where(ill, CLASSES[0], CLASSES[1]),
                "cost": (55_000_000 + (dose * 1000).astype(int) * 1_000 + rng.permutation(ROWS) + 0.375),
            },
            strict=False,
        )
    )


def blobs(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, archives also member by member and unpacked."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name, data = path.relative_to(folder).as_posix(), path.read_bytes()
            yield name, data
            yield from _members(name, data)


def _stands_in(token: bytes, text: bytes) -> bool:
    """Whether a token stands there; a number not as a part of a longer one, which chance brings."""
    if token not in text:
        return False
    whole = re.escape(token) if not token[:1].isdigit() else rb"(?<![\d.])" + re.escape(token) + rb"(?!\d)"
    return re.search(whole, text) is not None


def _members(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield f"{name}!{member}", archive.read(member)


def _texts(values: pl.Series) -> Iterator[bytes]:
    for value in values.to_list():
        if isinstance(value, float):
            forms = [repr(value), f"{value:.3f}".rstrip("0"), f"{value:,.3f}".rstrip("0")]
            if value > 1_000:
                forms += [f"{value:.0f}", f"{value:,.0f}", f"{int(value)}", f"{int(value):,}"]
            yield from (form.encode() for form in forms if len(form) >= 6)
        elif isinstance(value, str):
            yield value.encode()
        else:
            moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
            shown = f"{moment:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else f"{moment:%Y-%m-%d}"
            yield from (shown.encode(), shown.replace(" ", "T").encode(), str(_micros(moment)).encode())


def _binary(values: pl.Series) -> Iterator[bytes]:
    for value in values.to_list():
        if isinstance(value, float):
            yield from (struct.pack("<d", value), struct.pack(">d", value))
        elif not isinstance(value, str):
            moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
            yield from (struct.pack("<q", _micros(moment)), struct.pack("<d", float(_micros(moment))))


def _micros(moment: Any) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
