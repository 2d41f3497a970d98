"""Whether rows belong together: several of one machine, patient or customer."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.quick import cross_fitted, fold_of_groups, fold_of_rows, row_losses
from flyball.data.look.view import Floats, View
from flyball_runtime.schema import Field

__all__ = ["GroupGap", "group_candidates", "group_gap", "panel_of"]

_ENTITY = re.compile(
    r"(^|_|\b)(id|ids|uid|uuid|unit|engine|machine|device|asset|sensor|station|patient|subject|person|customer|client|"
    r"user|member|account|household|vehicle|driver|plant|run|series|session|batch|lot|entity|group|grp|cluster|site|store|hospital|school|animal|sample)"
    r"(_?(id|no|nr|number|name|key|code))?($|_|\b)",
    re.IGNORECASE,
)
_CALENDAR = re.compile(
    r"(^|_|\b)(hr|hour|day|dow|weekday|week|month|mnth|quarter|season|year|yr|minute|second|age|date)s?($|_|\b)",
    re.IGNORECASE,
)
_FEWEST_GROUPS = 8
_MOST_LOOKED_AT = (
    100  # columns, those called an entity first: what is asked of pairs of columns stays quick on wide tables
)


@dataclass(frozen=True, slots=True)
class GroupGap:
    """How much worse whole unseen groups are predicted than unseen rows: relative loss increase, z over groups."""

    share: float
    z: float
    groups: int

    def beyond(self, share: float, z: float) -> bool:
        return self.share >= share and self.z >= z


def panel_of(view: View) -> tuple[str, str] | None:
    """An entity column and a counter that runs 1, 2, 3 … without gaps inside each entity and starts again in the next.

    Such a pair of columns is a panel whatever the order of rows: C-MAPSS's `unit` and `cycle`.
    """
    counters = [
        field.name
        for field in view.fields
        if view.levels[field.name] >= 5 and field.logical in {"integer", "float"} and _is_whole(view, field)
    ][:_MOST_LOOKED_AT]
    for entity in _entity_like(view)[:_MOST_LOOKED_AT]:
        groups = _codes(view.columns[entity])
        sizes = np.bincount(groups)
        if sizes.min() < 1 or np.median(sizes) < 5:
            continue
        for counter in counters:
            if counter != entity and _counts_within(view.columns[counter], groups, sizes):
                return entity, counter
    return None


def _entity_like(view: View) -> list[str]:
    """Columns whose levels each stand in several rows, and that are neither measurements nor calendar parts; those
    that are called an entity come first. Whole numbers written with a decimal point qualify only when so called."""
    found = [
        field.name
        for field in view.fields
        if field.kind != "time"
        and (field.logical != "float" or (_ENTITY.search(field.name) and _is_whole(view, field)))
        and _FEWEST_GROUPS <= view.levels[field.name] <= len(view) / 1.9
        and not np.isnan(view.columns[field.name]).any()
        and not _CALENDAR.search(field.name)
    ]
    return sorted(found, key=lambda name: _ENTITY.search(name) is None)


def _is_whole(view: View, field: Field) -> bool:
    """Whether a number column holds whole numbers in every row, however they are written: 7 or 7.0."""
    values = view.columns[field.name]
    return bool(np.isfinite(values).all() and not (values % 1).any())


def _counts_within(counter: Floats, groups: NDArray[np.intp], sizes: NDArray[np.intp]) -> bool:
    number = len(sizes)
    low, high = np.full(number, np.inf), np.full(number, -np.inf)
    np.minimum.at(low, groups, counter)
    np.maximum.at(high, groups, counter)
    gapless = (high - low + 1 == sizes) & (sizes >= 3)
    same_start = float((low == np.median(low)).mean())
    if gapless.mean() < 0.9 or same_start < 0.9:
        return False
    pairs = np.unique(np.column_stack([groups.astype(np.float64), counter]), axis=0)
    return len(pairs) >= 0.98 * len(counter)


def group_candidates(view: View, most: int = 3) -> list[tuple[str, bool]]:
    """Columns worth the cost of `group_gap`, with whether their name already calls them an entity.

    Columns without such a name qualify when they explain much of most other columns, as belonging to one thing does.
    """
    named = [name for name in _entity_like(view) if _ENTITY.search(name)]
    nameless = [
        (explained, name)
        for name in _entity_like(view)[:_MOST_LOOKED_AT]
        if name not in named and view.levels[name] >= 15
        for explained in [_explained(view, name)]
        if explained >= 0.2
    ]
    nameless.sort(reverse=True)
    return [*((name, True) for name in named), *((name, False) for _, name in nameless)][:most]


def _explained(view: View, entity: str) -> float:
    """Median share of the other number columns' variance that lies between the levels (epsilon squared)."""
    groups = _codes(view.columns[entity])
    sizes = np.bincount(groups)
    measured = [
        field.name
        for field in view.fields
        if field.name != entity and field.logical in {"float", "integer"} and view.levels[field.name] >= 10
    ]
    shares = []
    for name in measured[:_MOST_LOOKED_AT]:
        values = view.columns[name]
        finite = np.isfinite(values)
        if not finite.all():
            values = np.where(finite, values, np.median(values[finite]))
        total = float(((values - values.mean()) ** 2).sum())
        means = np.bincount(groups, weights=values) / sizes
        within = float(((values - means[groups]) ** 2).sum())
        if total > 0:
            freedom = (len(values) - 1) / max(len(values) - len(sizes), 1)
            shares.append(1 - within / total * freedom)
    return float(np.median(shares)) if shares else 0.0


def group_gap(view: View, entity: str, rng: np.random.Generator, seed: int) -> GroupGap:
    """Compare a quick model's loss on held-out rows with its loss on held-out groups; the entity itself is no input."""
    rest = view.without({entity})
    groups = _codes(view.columns[entity])
    losses = []
    for fold in (fold_of_rows(len(view), 3, rng), fold_of_groups(groups, 3, rng)):
        outputs = cross_fitted(rest.matrix(), view.target, task=view.task, classes=view.classes, fold=fold, seed=seed)
        losses.append(row_losses(outputs, view.target, view.task))
    number = int(groups.max()) + 1
    known, unseen = (np.bincount(groups, weights=loss, minlength=number) for loss in losses)
    worse = unseen - known
    # a few groups far off widen the spread of the losses, but not that of their ratios
    floor = 1e-3 * max(float(known.mean()), 1e-12)
    ratios = np.log((unseen + floor) / (known + floor))
    z = max(_z_value(np.asarray(worse, dtype=np.float64)), _z_value(ratios))
    return GroupGap(float(worse.sum() / max(float(losses[0].sum()), 1e-12)), z, number)


def _z_value(values: Floats) -> float:
    """The mean over its standard error; values: (groups,)."""
    return float(values.mean() / max(float(values.std(ddof=1)) / np.sqrt(len(values)), 1e-12))


def _codes(values: Floats) -> NDArray[np.intp]:
    return np.unique(values, return_inverse=True)[1].astype(np.intp)
