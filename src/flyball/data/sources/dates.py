"""Dates written as text, in one form or in several."""

from __future__ import annotations

from dataclasses import dataclass

from flyball.data.sources.staging import Staging

__all__ = ["DateForm", "date_form"]

_CLOCKS = ("", " %H:%M", " %H:%M:%S")
_DAY_FIRST = ("%d/%m/%Y", "%d-%m-%Y")
_MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y")
_PLAIN = ("%d.%m.%Y", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_LOOKS_LIKE = r"^(\d{1,4}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{4}|[A-Za-z]{3,9} \d{1,2}, \d{4})"


@dataclass(frozen=True, slots=True)
class DateForm:
    """How to read a text column as moments: a SQL expression, whether it tells the time of day, and what to say.

    `written` joins the strptime formats that occur beside ISO 8601 with "|"; None when none does.
    """

    sql: str
    clock: bool
    note: str = ""
    written: str | None = None


def date_form(stage: Staging, index: int, missing_words: str) -> DateForm | None:
    """The form of a column's dates, or None when not all of its texts are dates (missing words aside).

    Day-first and month-first dates are told apart by a value that only one of them can be; where none decides, the
    column stays text.
    """
    cell = f"nullif(trim(c{index}), '')"
    kept = f"CASE WHEN lower({cell}) NOT IN ({missing_words}) THEN {cell} END"
    sample = stage.rows(
        f"SELECT count(*), count(*) FILTER (regexp_matches(v, '{_LOOKS_LIKE}'))"  # noqa: S608
        f" FROM (SELECT {kept} AS v FROM raw WHERE {kept} IS NOT NULL LIMIT 100)"
    )[0]
    if sample[0] == 0 or sample[1] < sample[0]:
        return None
    iso = f"CASE WHEN regexp_matches({kept}, '^[0-9]{{4}}-') THEN TRY_CAST({kept} AS TIMESTAMPTZ) END"
    plain = f"try_strptime({kept}, {_formats(_PLAIN)})"
    days, months = (f"try_strptime({kept}, {_formats(forms)})" for forms in (_DAY_FIRST, _MONTH_FIRST))
    total, isos, plains, only_days, only_months, either, clocks = stage.rows(
        f"SELECT count(v), count(i), count(p), count(*) FILTER (d IS NOT NULL AND m IS NULL),"  # noqa: S608
        " count(*) FILTER (m IS NOT NULL AND d IS NULL), count(*) FILTER (m IS NOT NULL OR d IS NOT NULL),"
        " count(*) FILTER (contains(v, ':')) FROM"
        f" (SELECT {kept} AS v, {iso} AS i, {plain} AS p, {days} AS d, {months} AS m FROM raw)"
    )[0]
    if isos + plains + either < total:
        return None
    if either and bool(only_days) == bool(only_months):
        return None  # either nothing tells day and month apart, or the column contradicts itself
    slashed = days if only_days else months
    parts = [f"CAST({iso} AS TIMESTAMP)", *([plain] if plains else []), *([slashed] if either else [])]
    candidates = [*(_PLAIN if plains else ()), *((_DAY_FIRST if only_days else _MONTH_FIRST) if either else ())]
    written = _occurring(stage, kept, candidates)
    note = f"dates written as {', '.join(written)} are read as such" if written else ""
    return DateForm(f"coalesce({', '.join(parts)})", bool(clocks), note, "|".join(written) or None)


def _occurring(stage: Staging, text: str, forms: list[str]) -> list[str]:
    """Those formats that read at least one cell."""
    formats = [form + clock for form in forms for clock in _CLOCKS]
    if not formats:
        return []
    counts = ", ".join(f"count(try_strptime({text}, '{form}'))" for form in formats)
    found = stage.rows(f"SELECT {counts} FROM raw")[0]  # noqa: S608
    return [form for form, count in zip(formats, found, strict=True) if count]


def _formats(forms: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{form}{clock}'" for form in forms for clock in _CLOCKS) + "]"
