"""CSV and TSV files into the staging database, as text, with every line that does not fit named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flyball.core.counting import counted
from flyball.data.sources.csv_text import CsvForm, csv_form, lines_at
from flyball.data.sources.staging import SourceEmpty, Staging
from flyball_runtime.errors import BadInput

__all__ = ["RaggedLines", "SourcesDiffer", "load_csv", "same_columns"]

_RAGGED_LIMIT = 0.10


class RaggedLines(BadInput):
    """Too many lines of a CSV file have another number of fields than its header."""

    code = "FB-DATA-006"


class SourcesDiffer(BadInput):
    """The files of a folder are not parts of one table: their columns differ."""

    code = "FB-DATA-008"


def load_csv(stage: Staging) -> tuple[list[CsvForm], list[str]]:
    """Fill the table `raw` (columns c0, c1, … of text) from all staged files; their forms, and notes.

    The columns stand in the order of the first file.

    Raises SourceEmpty, SourceDamaged, RaggedLines, SourcesDiffer, WrongEncoding, DuplicateColumns.
    """
    forms = [csv_form(link, file) for link, file in zip(stage.links, stage.files, strict=True)]
    same_columns([form.names for form in forms], stage.files)
    notes = [note for form in forms for note in form.notes]
    first = forms[0]
    columns = ", ".join(f"c{index} VARCHAR" for index in range(len(first.names)))
    stage.rows(f"CREATE TEMP TABLE raw ({columns})")
    for form, file in zip(forms, stage.files, strict=True):
        notes += _load_one(stage, form, file, first.names)
    if stage.rows("SELECT count(*) FROM raw")[0][0] == 0:
        raise SourceEmpty(
            f"{stage.files[0].name} has a header but no rows",
            where=str(stage.files[0]),
            fix="export it again with its rows",
        )
    return forms, notes


def _load_one(stage: Staging, form: CsvForm, file: Path, order: Sequence[str]) -> list[str]:
    places = {name: index for index, name in enumerate(form.names)}
    wanted = ", ".join(f"c{places[name]}" for name in order)
    types = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(len(form.names)))
    delimiter = "\\t" if form.delimiter == "\t" else form.delimiter
    path = str(form.path).replace("'", "''")
    stage.rows(
        f"INSERT INTO raw SELECT {wanted} FROM read_csv('{path}', auto_detect = false, header = true,"  # noqa: S608
        f" skip = {form.skip}, delim = E'{delimiter}', quote = '\"', escape = '\"', columns = {{{types}}},"
        " store_rejects = true, rejects_limit = 0, null_padding = false, max_line_size = 16777216)"
    )
    bad = stage.rows(
        "SELECT min(line_byte_position) - 1, any_value(error_type),"
        " max(length(csv_line) - length(replace(csv_line, chr(10), ''))) FROM reject_errors GROUP BY line ORDER BY 1"
    )
    if not bad:
        return []
    example = str(stage.rows("SELECT error_message FROM reject_errors ORDER BY line LIMIT 1")[0][0])
    stage.rows("DROP TABLE reject_errors")
    stage.rows("DROP TABLE reject_scans")
    lines = lines_at(form.path, [int(row[0] or 0) for row in bad[:10]])
    swallowed = [int(row[2] or 0) if "QUOTE" in str(row[1]) else 0 for row in bad]
    return _said(stage, form, file, _Ragged(len(bad), lines, sum(swallowed), swallowed[: len(lines)], example))


@dataclass(frozen=True, slots=True)
class _Ragged:
    """Lines that do not fit: how many, the first of them, and the further lines that an open quote took in."""

    count: int
    lines: list[int]
    swallowed: int
    swallowed_at: list[int]
    example: str


def _said(stage: Staging, form: CsvForm, file: Path, ragged: _Ragged) -> list[str]:
    """What to say of the lines left out. Raises RaggedLines when they are more than a tenth."""
    listed = ", ".join(map(str, ragged.lines)) + (", …" if ragged.count > len(ragged.lines) else "")
    lost = ragged.count + ragged.swallowed
    quote = next((line for line, more in zip(ragged.lines, ragged.swallowed_at, strict=True) if more), None)
    opened = f"a quotation mark on line {quote} is not closed where its text ends" if quote else ""
    kept = int(stage.rows("SELECT count(*) FROM raw")[0][0])
    if lost > _RAGGED_LIMIT * (kept + lost):
        raise RaggedLines(
            f"{counted(lost, 'line')} of {file.name} {'do' if lost != 1 else 'does'} not fit "
            f"its header of {counted(len(form.names), 'column')}",
            where=f"{file.name}, lines {listed}",
            why=opened or ragged.example.strip().split("\n", 1)[0],
            fix="put quotes around texts that hold the delimiter, give every line as many fields as the header, and"
            " delete what stands above the header",
            facts={"delimiter": repr(form.delimiter)},
        )
    noun = "line does" if lost == 1 else "lines do"
    return [f"{file.name}: {lost:,} {noun} not fit the header and {'is' if lost == 1 else 'are'} left out: "
            f"line{'' if ragged.count == 1 else 's'} {listed}"
            + (f" ({opened}: the lines after it are taken for its text)" if opened else "")]  # fmt: skip


def same_columns(headers: Sequence[Sequence[str]], files: Sequence[Path]) -> None:
    """Raises SourcesDiffer unless every file has the columns of the first, in any order."""
    wanted = set(headers[0])
    for names, file in zip(headers, files, strict=True):
        if set(names) != wanted:
            missing, extra = sorted(wanted - set(names)), sorted(set(names) - wanted)
            raise SourcesDiffer(
                f"{file.name} has other columns than {files[0].name}",
                where=str(file),
                facts={
                    label: ", ".join(f'"{name}"' for name in found[:5])
                    for label, found in (("missing", missing), ("extra", extra))
                    if found
                },
                fix="put only the parts of one table into a folder",
            )
