"""The outer form of a CSV file: compression, encoding, delimiter, header. Nothing is guessed silently."""

from __future__ import annotations

import codecs
import csv
import gzip
import itertools
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flyball.data.sources.staging import SourceDamaged, SourceEmpty, named_columns
from flyball_runtime.errors import BadInput

__all__ = ["CsvForm", "WrongEncoding", "csv_form", "lines_at", "lines_of_values"]

_CHUNK = 1 << 20
_CONTROL = bytes(set(range(32)) - {9, 10, 12, 13, 27})
_DELIMITERS = (",", ";", "\t", "|")
_FIELD_LIMIT = 1 << 24
_SEPARATOR = re.compile(r'"?sep=([,;|\t])"?', re.IGNORECASE)


class WrongEncoding(BadInput):
    """A text file is in an encoding that cannot be told from its bytes."""

    code = "FB-DATA-007"


@dataclass(frozen=True, slots=True)
class CsvForm:
    """How to read one CSV file: `path` is UTF-8 and uncompressed; `skip` counts blank lines before the header."""

    path: Path
    delimiter: str
    names: tuple[str, ...]
    skip: int
    notes: tuple[str, ...]


def csv_form(link: Path, file: Path) -> CsvForm:
    """Look at a whole file once. `link` is the safe path it is read by, `file` the name to say.

    Raises SourceEmpty, SourceDamaged, WrongEncoding or DuplicateColumns.
    """
    plain, notes = _as_utf8(link, file)
    if plain.stat().st_size == 0:
        raise SourceEmpty(f"{file.name} is empty", where=str(file), fix="export it again, with a header line and rows")
    skip, declared = _before_header(plain)
    delimiter = declared or _delimiter(plain, skip, "\t" if ".tsv" in file.name.lower() else None)
    header = next(_records(plain, delimiter, skip), [])
    if not any(cell.strip() for cell in header):
        raise _headless(plain, file, skip)
    names, unnamed = named_columns(header, f"{file.name}:{skip + 1}")
    if unnamed:
        notes.append(f"{file.name}: the header gives no name to {', '.join(unnamed[:5])}; named by position")
    if len(names) > 1 and all(_is_number(name) for name in header):
        notes.append(f"{file.name}: the first line holds only numbers; it was taken as the header all the same")
    return CsvForm(plain, delimiter, tuple(names), skip, tuple(notes))


def _as_utf8(link: Path, file: Path) -> tuple[Path, list[str]]:
    """The file itself when it is UTF-8, else a re-encoded copy beside the link; with what to say about it."""
    source, notes = link, []
    target = link.with_name(f"{link.stem}-plain{link.suffix}")
    with source.open("rb") as stream:
        head = stream.read(4096)
    if head[:2] == b"\x1f\x8b":
        source = _decompressed(source, target, file)
        with source.open("rb") as stream:
            head = stream.read(4096)
    wide = _wide_encoding(head)
    if wide:
        notes.append(f"{file.name} is {wide[:6].upper()} text; read as such")
        recoded = _recoded(source, target, wide, file)
        _first_bad_line(recoded, file)  # what is no text in UTF-8 either was no text before
        return recoded, notes
    _check_kind(head, file)
    bad_line = _first_bad_line(source, file)
    if bad_line is None:
        return source, notes
    notes.append(f"{file.name} is not UTF-8 (line {bad_line}); read as Windows-1252 text")
    return _recoded(source, target, "cp1252", file, bad_line), notes


def _wide_encoding(head: bytes) -> str | None:
    """UTF-32 or UTF-16, by its mark or, for UTF-16, by every other byte of a plain beginning being zero."""
    if head[:4] in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        return "utf-32"
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if len(head) < 8 or max(even, odd) < 0.4 * len(head) or min(even, odd) > 0.01 * len(head):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


_KINDS = {
    b"PK\x03\x04": "a zip archive or a spreadsheet", b"\xd0\xcf\x11\xe0": "an old Excel workbook", b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite database", b"BZh": "compressed with bzip2", b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd", b"ARROW1": "an Arrow file", b"\x93NUMPY": "a numpy array", b"%PDF": "a PDF",
    b"\x89HDF": "an HDF5 file", b"version https://git-lfs": "a pointer of Git LFS: the file itself was not fetched",
    b"{": "JSON", b"[{": "JSON", b"<?xml": "XML", b"<!doctype": "a web page", b"<html": "a web page",
}  # fmt: skip


def _check_kind(head: bytes, file: Path) -> None:
    """Raises SourceDamaged for files that are known by their first bytes to be something else."""
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()[:30]
    kind = next((kind for mark, kind in _KINDS.items() if start.startswith(mark) or start.lower().startswith(mark)), "")
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        kind = "a Python pickle, which is never opened: it could run code"
    if kind:
        raise SourceDamaged(
            f"{file.name} is not a CSV file",
            where=str(file),
            why=f"by its first bytes it is {kind}",
            fix="export the table as CSV or Parquet, and give the file the ending of what it is",
        )


def _decompressed(source: Path, target: Path, file: Path) -> Path:
    try:
        with gzip.open(source) as packed, target.open("wb") as plain:
            while chunk := packed.read(_CHUNK):
                plain.write(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceDamaged(
            f"{file.name} cannot be decompressed", where=str(file), why=str(error), fix="copy or export it again"
        ) from error
    return target


def _first_bad_line(path: Path, file: Path) -> int | None:
    """The first line that is not UTF-8, or None. Raises SourceDamaged at bytes that no text holds."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    with path.open("rb") as stream:
        while True:
            chunk = stream.read(_CHUNK)
            if chunk.translate(None, _CONTROL) != chunk:
                offset = next(index for index, byte in enumerate(chunk) if byte in _CONTROL)
                bad_line = lines + chunk.count(b"\n", 0, offset)
                raise SourceDamaged(
                    f"{file.name} is not a text file",
                    where=f"{file.name}:{bad_line}",
                    why=f"it holds the byte {chunk[offset]:#04x}, which no text has",
                    fix="give a CSV, TSV or Parquet file; save a spreadsheet as CSV first",
                )
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # `error.object` may begin with up to three bytes held over from the chunk before: none is a newline
                return lines + bytes(error.object).count(b"\n", 0, error.start)
            if not chunk:
                return None
            lines += chunk.count(b"\n")


def _recoded(source: Path, target: Path, encoding: str, file: Path, bad_line: int | None = None) -> Path:
    staged = target.with_name(target.name + ".recoded")
    try:
        with source.open(encoding=encoding, newline="") as old, staged.open("w", encoding="utf-8", newline="") as new:
            while text := old.read(_CHUNK):
                new.write(text)
    except UnicodeError as error:
        raise WrongEncoding(
            f"the encoding of {file.name} is unclear",
            where=f"{file.name}:{bad_line}" if bad_line else str(file),
            why="it is neither UTF-8 nor Windows-1252 text" if bad_line else str(error),
            fix="save it as UTF-8, for example: iconv -f ENCODING -t UTF-8 old.csv > new.csv",
        ) from error
    staged.replace(target)
    return target


def _before_header(path: Path) -> tuple[int, str | None]:
    """How many lines stand before the header, and the delimiter that a line such as "sep=;" among them declares."""
    with path.open(encoding="utf-8-sig", newline="") as text:
        for skip, line in enumerate(iter(lambda: text.readline(_FIELD_LIMIT), "")):
            declared = _SEPARATOR.fullmatch(line.strip("\r\n"))
            if declared:
                return skip + 1, declared[1]
            if line.strip():
                return skip, None
    return 0, None


def _headless(path: Path, file: Path, skip: int) -> SourceEmpty | SourceDamaged:
    with path.open(encoding="utf-8-sig", newline="") as text:
        line = next(itertools.islice(text, skip, None), "")
    if len(line) >= _FIELD_LIMIT:
        return SourceDamaged(
            f"{file.name} has no lines of a sensible length",
            where=f"{file.name}:{skip + 1}",
            why=f"the first has {len(line):,} characters; at most {_FIELD_LIMIT:,} are read",
            fix="export it as CSV with one row to a line",
        )
    if line.strip():
        return SourceEmpty(
            f"{file.name} gives none of its columns a name",
            where=f"{file.name}:{skip + 1}",
            why="the first line is the header, and it holds delimiters only",
            fix="write the names of the columns into the first line",
        )
    return SourceEmpty(f"{file.name} holds only blank lines", where=str(file), fix="export it again")


def _records(path: Path, delimiter: str, skip: int) -> Iterator[list[str]]:
    csv.field_size_limit(_FIELD_LIMIT)
    with path.open(encoding="utf-8-sig", newline="") as text:
        for _ in range(skip):
            next(text)
        try:
            yield from csv.reader(text, delimiter=delimiter)
        except csv.Error:
            return


def _delimiter(path: Path, skip: int, preferred: str | None) -> str:
    """The delimiter under which the most of the first lines have as many fields as the header."""
    best, best_score = preferred or ",", (0.0, 0)
    for candidate in (preferred,) if preferred else _DELIMITERS:
        widths = [len(record) for record in itertools.islice(_records(path, candidate, skip), 101) if record]
        if widths and widths[0] > 1:
            agreeing = sum(width == widths[0] for width in widths) / len(widths)
            score = (round(agreeing, 1), widths[0])
            if score > best_score:
                best, best_score = candidate, score
    return best


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def lines_at(path: Path, offsets: list[int]) -> list[int]:
    """The lines, counted from 1, that these byte offsets (ascending) stand on."""
    lines, line, position = [], 1, 0
    with path.open("rb") as stream:
        for offset in offsets:
            while position < offset:
                chunk = stream.read(min(_CHUNK, offset - position))
                if not chunk:
                    break
                position += len(chunk)
                line += chunk.count(b"\n")
            lines.append(line)
    return lines


def lines_of_values(form: CsvForm, wanted: Mapping[int, Sequence[str]]) -> dict[int, list[int]]:
    """For each column, the lines on which these of its values stand, given in the order of the lines; one pass.

    A column's list is shorter than its values when the file ends before all are found.
    """
    found: dict[int, list[int]] = {column: [] for column in wanted}
    pending = {column: list(values) for column, values in wanted.items() if values}
    csv.field_size_limit(_FIELD_LIMIT)
    with form.path.open(encoding="utf-8-sig", newline="") as text:
        for _ in range(form.skip):
            next(text)
        reader = csv.reader(text, delimiter=form.delimiter)
        try:
            next(reader, None)
            before = reader.line_num
            for record in reader:
                if len(record) == len(form.names):
                    for column in [column for column, values in pending.items() if record[column] == values[0]]:
                        found[column].append(before + form.skip + 1)
                        pending[column].pop(0)
                        if not pending[column]:
                            del pending[column]
                if not pending:
                    break
                before = reader.line_num
        except csv.Error:
            pass  # what was found so far is right
    return found
