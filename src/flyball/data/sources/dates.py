"""Dates written as text, in one form or in several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flyball.data.sources.staging import Staging
from flyball.data.sources.trouble import MISSING_WORDS_SQL, cell_of

__all__ = ["DateForm", "date_form", "looks_like_dates"]

_SAMPLE = 300
_LEAST_LIKE = 0.5
_MOST_ODD = 0.01
_MOST_SHAPES = 12
_LOOKS_LIKE = (
    r"^(\d{4}-\d{1,2}-\d{1,2}|\d{1,4}[./-]\d{1,2}[./-]\d{2,4}([ T]|$)"
    r"|\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{4}|[A-Za-z]{3,9} \d{1,2}, \d{4})"
)
# A shape is a text with its runs of four digits written Y, shorter ones N, and words A.
_DAY_FIRST = {"N/N/Y": "%d/%m/%Y", "N-N-Y": "%d-%m-%Y", "N/N/N": "%d/%m/%y", "N-N-N": "%d-%m-%y"}
_MONTH_FIRST = {"N/N/Y": "%m/%d/%Y", "N-N-Y": "%m-%d-%Y", "N/N/N": "%m/%d/%y", "N-N-N": "%m-%d-%y"}
_CLEAR = {"N.N.Y": ("%d.%m.%Y",), "N.N.N": ("%d.%m.%y",), "Y/N/N": ("%Y/%m/%d",), "Y.N.N": ("%Y.%m.%d",),
          "N A Y": ("%d %b %Y", "%d %B %Y"), "N-A-Y": ("%d-%b-%Y",), "A N, Y": ("%b %d, %Y", "%B %d, %Y")}  # fmt: skip
_CLOCKS = {"": "", " N:N": " %H:%M", " N:N:N": " %H:%M:%S", " N:N A": " %I:%M %p", " N:N:N A": " %I:%M:%S %p"}


@dataclass(frozen=True, slots=True)
class DateForm:
    """How to read a text column as moments: a SQL expression, whether it tells the time of day, and what to say.

    `written` joins the strptime formats that occur beside ISO 8601 with "|"; None when none does. `odd` counts the
    cells that are no dates. Where day and month cannot be told apart, `sql` is None and `note` says so.
    """

    sql: str | None
    clock: bool = False
    note: str = ""
    written: str | None = None
    odd: int = 0
    cells: int = 0

    @property
    def usable(self) -> bool:
        """Whether so few cells are no dates that they count as accidents."""
        return self.sql is not None and self.odd <= _MOST_ODD * self.cells


def looks_like_dates(stage: Staging, index: int) -> bool:
    """Whether at least half of a column's first texts look like dates."""
    kept = _kept(index)
    seen, like = stage.rows(
        f"SELECT count(*), count_if(regexp_matches(v, '{_LOOKS_LIKE}'))"  # noqa: S608
        f" FROM (SELECT {kept} AS v FROM raw WHERE {kept} IS NOT NULL LIMIT {_SAMPLE})"
    )[0]
    return bool(seen) and like >= _LEAST_LIKE * seen


def date_form(stage: Staging, index: int) -> DateForm | None:
    """The form of a column's dates, or None when fewer than half of its texts are dates (missing words aside).

    Day-first and month-first dates are told apart by a value that only one of them can be, else by dates with points
    in the same column, else by the order of the rows; where nothing decides, the column stays text.
    """
    kept = _kept(index)
    iso = f"CASE WHEN regexp_matches({kept}, '^[0-9]{{4}}-') THEN TRY_CAST({kept} AS TIMESTAMPTZ) END"
    total, isos, clocks = stage.rows(
        f"SELECT count(v), count({iso}), count_if(contains(v, ':')) FROM (SELECT c{index}, {kept} AS v FROM raw)"  # noqa: S608
    )[0]
    if not total:
        return None
    plain = f"CAST({iso} AS TIMESTAMP)"
    if isos == total:
        return DateForm(plain, bool(clocks), cells=total)
    other = f"CASE WHEN ({iso}) IS NULL THEN {kept} END"
    shapes = _shapes(stage, other)
    slashed = [shape for shape in shapes if _base(shape) in _DAY_FIRST]
    clear = [form for shape in shapes for form in _forms(shape, _CLEAR)]
    order, why = _day_or_month(stage, other, slashed, dotted="%d.%m.%Y" in clear) if slashed else (None, "")
    if slashed and order is None:
        either = [form for known in (_DAY_FIRST, _MONTH_FIRST) for form in _slashed(slashed, known)]
        read = stage.rows(f"SELECT count({_parse(other, either)}) FROM raw")[0][0]  # noqa: S608
        return DateForm(None, note=f"{why}: read as text", cells=total) if read + isos > total / 2 else None
    chosen = _DAY_FIRST if order == "day" else _MONTH_FIRST
    written = _occurring(stage, other, [*clear, *_slashed(slashed, chosen)])
    sql = f"coalesce({plain}, {_parse(other, written)})" if written else plain
    read = stage.rows(f"SELECT count({sql}) FROM raw")[0][0]  # noqa: S608
    if read <= total / 2:
        return None
    note = f"dates written as {', '.join(written)} are read as such{f' ({why})' if why else ''}" if written else ""
    return DateForm(sql, bool(clocks), note, "|".join(written) or None, odd=total - read, cells=total)


def _kept(index: int) -> str:
    cell = cell_of(index)
    return f"CASE WHEN lower({cell}) NOT IN ({MISSING_WORDS_SQL}) THEN {cell} END"


def _shapes(stage: Staging, text: str) -> list[str]:
    """The shapes of the texts that are not ISO 8601, the most frequent first."""
    shape = (
        "regexp_replace(regexp_replace(regexp_replace(v, '[A-Za-z]+', 'A', 'g'), '[0-9]{4,}', 'Y', 'g'),"
        " '[0-9]+', 'N', 'g')"
    )
    rows = stage.rows(
        f"SELECT {shape}, count(*) FROM (SELECT {text} AS v FROM raw) WHERE v IS NOT NULL AND length(v) < 40"  # noqa: S608
        f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_MOST_SHAPES}"
    )
    return [str(row[0]) for row in rows]


def _base(shape: str) -> str:
    """A shape without its time of day."""
    date, mark, clock = shape.partition(" N:")
    return date if f"{mark}{clock}" in _CLOCKS else shape


def _forms(shape: str, known: dict[str, tuple[str, ...]]) -> list[str]:
    base = _base(shape)
    return [form + _CLOCKS[shape[len(base) :]] for form in known.get(base, ())]


def _slashed(shapes: Sequence[str], known: dict[str, str]) -> list[str]:
    return [form for shape in shapes for form in _forms(shape, {base: (form,) for base, form in known.items()})]


def _parse(text: str, forms: Sequence[str]) -> str:
    """SQL that reads a text by those of the formats whose width of the year it has: strptime itself takes 24 for %Y."""
    short = [form for form in forms if "%y" in form]
    long = [form for form in forms if "%y" not in form]
    parts = [
        f"CASE WHEN regexp_matches({text}, '{width}') THEN try_strptime({text}, [{', '.join(map(repr, some))}]) END"
        for width, some in (("[0-9]{4}", long), ("^[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}( |$)", short))
        if some
    ]
    return f"coalesce({', '.join(parts)})" if len(parts) > 1 else parts[0]


def _day_or_month(stage: Staging, text: str, shapes: Sequence[str], *, dotted: bool) -> tuple[str | None, str]:
    """Whether the day or the month comes first in dates such as 03/04/2024, and what tells; None when nothing does."""
    first, second = (f"TRY_CAST(regexp_extract(v, '^(\\d+)[/-](\\d+)[/-]', {group}) AS INTEGER)" for group in (1, 2))
    slashes = "regexp_matches(v, '^[0-9]{1,2}[/-][0-9]{1,2}[/-][0-9]{2,4}')"
    days, months = stage.rows(
        f"SELECT count_if({first} > 12), count_if({second} > 12) FROM (SELECT {text} AS v FROM raw) WHERE {slashes}"  # noqa: S608
    )[0]
    if days and months:
        if min(days, months) > _MOST_ODD * max(days, months):
            return None, "some dates can only have the day first and others only the month"
        return (
            "day" if days > months else "month"
        ), f"{'day' if days > months else 'month'} first, as most of them are"
    if days:
        return "day", f"day first, as {days:,} of them show"
    if months:
        return "month", f"month first, as {months:,} of them show"
    if dotted:
        return "day", "day first, as in its dates with points"
    order = _by_order(stage, text, shapes)
    if order:
        return order, f"{order} first, as only so do the rows stand in the order of time"
    return None, "nothing tells the day from the month in its dates"


def _by_order(stage: Staging, text: str, shapes: Sequence[str]) -> str | None:
    """The reading under which the rows are in order of time, when they are so under it alone."""
    sorted_by = {}
    for name, known in (("day", _DAY_FIRST), ("month", _MONTH_FIRST)):
        read = _parse(text, _slashed(shapes, known))
        moments = stage.arrays(f"SELECT epoch_us({read}) AS m FROM raw")["m"]  # noqa: S608
        known_moments = np.ma.compressed(np.ma.asarray(moments))
        steps = np.diff(known_moments)
        sorted_by[name] = len(np.unique(known_moments)) > 4 and (bool((steps >= 0).all()) or bool((steps <= 0).all()))
    found = [name for name, fits in sorted_by.items() if fits]
    return found[0] if len(found) == 1 else None


def _occurring(stage: Staging, text: str, forms: Sequence[str]) -> list[str]:
    """Those formats that read at least one cell."""
    if not forms:
        return []
    counts = ", ".join(f"count({_parse(text, [form])})" for form in forms)
    found = stage.rows(f"SELECT {counts} FROM raw")[0]  # noqa: S608
    return [form for form, count in zip(forms, found, strict=True) if count]
