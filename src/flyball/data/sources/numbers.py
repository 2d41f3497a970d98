"""Numbers written as text: plain, with decimal commas or thousands marks, with a currency or per cent sign."""

from __future__ import annotations

from dataclasses import dataclass

from flyball.data.sources.staging import Staging
from flyball.data.sources.trouble import MISSING_WORDS_SQL, cell_of

__all__ = ["Writing", "looks_like_numbers", "plain_number", "writing_of"]

_SAMPLE = 300
_MARK = r"^[$€£¥]\s*|\s*[%$€£¥]$"
_LIKE_A_NUMBER = r"^[$€£¥]?\s*[+-]?[0-9]([0-9.,'’ \x{00a0}\x{202f}eE+-]*[0-9.])?\s*[%$€£¥]?$"
_LEAST_LIKE = 0.5
_GROUPED = "^[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+$"


@dataclass(frozen=True, slots=True)
class Writing:
    """How a column's numbers are written: a SQL expression (NULL for other texts), what to say, the sign they carry."""

    sql: str
    note: str = ""
    unit: str | None = None


def plain_number(index: int) -> str:
    """SQL for a column's cells as numbers in the way programs write them; an underscore is none of them."""
    return f"CASE WHEN NOT contains(c{index}, '_') THEN TRY_CAST(c{index} AS DOUBLE) END"


def looks_like_numbers(stage: Staging, index: int) -> bool:
    """Whether at least half of a column's first texts are made of what numbers are written with."""
    cell = cell_of(index)
    seen, like = stage.rows(
        f"SELECT count(*), count_if(regexp_matches(v, '{_quoted(_LIKE_A_NUMBER)}') OR TRY_CAST(v AS DOUBLE) IS NOT NULL)"  # noqa: S608
        f" FROM (SELECT {cell} AS v FROM raw WHERE {cell} IS NOT NULL"
        f" AND lower({cell}) NOT IN ({MISSING_WORDS_SQL}) LIMIT {_SAMPLE})"
    )[0]
    return bool(seen) and like >= _LEAST_LIKE * seen


def writing_of(stage: Staging, index: int, *, semicolons: bool) -> Writing:
    """The writing that reads the most cells of a column; plain numbers when no other reads more.

    `semicolons`: the file's delimiter is one, which speaks for decimal commas where 1,234 could be either.
    """
    cell = cell_of(index)
    bare = f"trim(regexp_replace({cell}, '{_MARK}', ''))"
    styles = {
        "": plain_number(index),
        "plain": _when(bare, r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$", bare),
        "decimal commas": _when(bare, "^[+-]?[0-9]*(,[0-9]+)?$", f"replace({bare}, ',', '.')"),
        "commas between thousands": _when(
            bare, r"^[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?$", f"replace({bare}, ',', '')"
        ),
        "points between thousands and decimal commas": _when(
            bare,
            r"^[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]+)?$",
            f"replace(replace({bare}, '.', ''), ',', '.')",
        ),
        "spaces or apostrophes between thousands": _when(
            bare,
            r"^[+-]?([0-9]{1,3}([ ''’\x{00a0}\x{202f}][0-9]{3})+|[0-9]+)([.,][0-9]+)?$",
            f"replace(regexp_replace({bare}, '[ ''’\\x{{00a0}}\\x{{202f}}]', '', 'g'), ',', '.')",
        ),
    }
    grouped, *counts = stage.rows(
        f"SELECT count_if(contains({bare}, ',') AND NOT regexp_matches({bare}, '{_GROUPED}')),"  # noqa: S608
        f" {', '.join(f'count({sql})' for sql in styles.values())} FROM raw"
    )[0]
    read = dict(zip(styles, counts, strict=True))
    commas, thousands = "decimal commas", "commas between thousands"
    unclear = read[commas] and read[commas] == read[thousands] and not grouped
    if unclear and not semicolons:
        read[commas] = -1  # 1,234 without another hint has a thousands mark
    best = max(styles, key=lambda style: (read[style], -list(styles).index(style)))
    if read[best] == read[""]:
        return Writing(styles[""])
    unit = _sign(stage, index)
    if best == "plain":
        return Writing(styles[best], f"is written with {unit or 'a sign'}: read as numbers", unit)
    doubt = ""
    if unclear:
        doubt = f" (texts such as 1,234 could have {thousands if best == commas else commas} too)"
    return Writing(styles[best], f"is written with {best}: read as numbers{doubt}", unit)


def _when(text: str, pattern: str, number: str) -> str:
    return f"CASE WHEN regexp_matches({text}, '{pattern}') THEN TRY_CAST({number} AS DOUBLE) END"


def _sign(stage: Staging, index: int) -> str | None:
    """The currency or per cent sign that all marked cells share; None when there is none, or several."""
    cell = cell_of(index)
    found = stage.rows(
        f"SELECT DISTINCT regexp_extract({cell}, '{_MARK}') AS m FROM raw"  # noqa: S608
        f" WHERE {cell} IS NOT NULL LIMIT 20"
    )
    signs = {str(row[0]).strip() for row in found} - {""}
    return signs.pop() if len(signs) == 1 else None


def _quoted(text: str) -> str:
    return text.replace("'", "''")
