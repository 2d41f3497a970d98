"""CSV and TSV files into the staging database, as text, with every line that does not fit named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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


def load_csv(stage: Staging) -> tuple[CsvForm, list[str]]:
    """Fill the table `raw` (columns c0, c1, … of text) from all staged files; the form of the first, and notes.

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
    return first, notes


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
    bad = stage.rows("SELECT min(line_byte_position) - 1 AS first_byte FROM reject_errors GROUP BY line ORDER BY 1")
    if not bad:
        return []
    example = str(stage.rows("SELECT error_message FROM reject_errors ORDER BY line LIMIT 1")[0][0])
    stage.rows("DROP TABLE reject_errors")
    stage.rows("DROP TABLE reject_scans")
    lines = lines_at(form.path, [int(row[0] or 0) for row in bad[:10]])
    listed = ", ".join(map(str, lines)) + (", …" if len(bad) > len(lines) else "")
    kept = int(stage.rows("SELECT count(*) FROM raw")[0][0])
    if len(bad) > _RAGGED_LIMIT * (kept + len(bad)):
        raise RaggedLines(
            f"{len(bad):,} lines of {file.name} do not fit its header of {len(form.names)} columns",
            where=f"{file.name}, lines {listed}",
            why=example.strip().split("\n", 1)[0],
            fix="put quotes around texts that hold the delimiter, and give every line as many fields as the header",
            facts={"delimiter": repr(form.delimiter)},
        )
    noun = "line does" if len(bad) == 1 else "lines do"
    return [f"{file.name}: {len(bad):,} {noun} not fit the header and {'is' if len(bad) == 1 else 'are'}"
            f" left out: line{'' if len(bad) == 1 else 's'} {listed}"]  # fmt: skip


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
