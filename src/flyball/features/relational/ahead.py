"""No feature may see its row's future: what would is refused, with the row that it shows in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from flyball.data import Table
from flyball.features.relational.evaluate import engine
from flyball.features.relational.spec import RelatedFeature, Relations
from flyball_runtime.errors import BadInput

__all__ = ["LooksAhead", "refuse_ahead"]


class LooksAhead(BadInput):
    """A feature is specified so that a row would be told what happened after it."""

    code = "FB-FEATURE-002"


def refuse_ahead(
    relations: Relations,
    features: Iterable[RelatedFeature],
    rows: Table | None = None,
    places: Mapping[str, str] | None = None,
) -> None:
    """Raises LooksAhead for the first feature whose negative lag lets a row see its future, naming the row.

    A negative lag is refused also where no row of these tables shows it: the next ones might. places: where features were
    written, by name.
    """
    ahead = [feature for feature in features if feature.lag_s < 0]
    if not ahead:
        return
    first = ahead[0]
    with engine(relations, rows) as running:
        found = running.first_ahead(first)
    table = first.hops[-1].table
    if found is None:
        where, why = None, f"its lag of {first.lag_s:g} s looks ahead, though no row of these tables shows it"
    else:
        row, moment, other, later = found
        where = f"row {row + 1:,} of {relations.base.name}"
        why = f"at {_said(moment)} it would see row {other + 1:,} of {table}, which is of {_said(later)}"
    raise LooksAhead(
        f'the feature "{first.name}" looks into the future', where=where, why=why,
        facts={"written": (places or {}).get(first.name, "")},
        fix="give it a lag of 0 or more: what is aggregated must be known when the row is predicted",
    )  # fmt: skip


def _said(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S").removesuffix(" 00:00:00")
