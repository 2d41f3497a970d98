"""How the rows of a table hang together: declared, or found by evidence that shuffled rows never show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.groups import group_candidates, group_gap, panel_of
from flyball.data.look.order import (
    clock_columns,
    has_block_of_one_class,
    is_ascending,
    is_sorted_by_target,
    order_gain,
    time_columns,
    time_gap,
)
from flyball.data.look.report import Structure
from flyball.data.look.strength import strengths, weakest
from flyball.data.look.view import View

__all__ = ["declared_structure", "find_structure"]

_SAMPLE = 20_000
_FEWEST_ROWS = 200
_WIDE = 100


def declared_structure(view: View, time: str | None, group: str | None) -> Structure | None:
    """What the user said. With both a time and a group, moments decide and plain counters give way to the group."""
    if time is not None and group is not None:
        moment = view.table.schema[time].kind == "time" or any(name == time for name, _ in time_columns(view))
        if moment:
            return Structure("time", time, 1.0, f'"{time}" is declared as the time, beside the group "{group}"')
    if group is not None:
        return Structure("group", group, 1.0, f'"{group}" is declared as what rows belong to')
    if time is not None:
        return Structure("time", time, 1.0, f'"{time}" is declared as the time')
    return None


def find_structure(view: View, unusable: set[str], leaking: set[str], seed: int) -> Structure:
    """Look for time order, panels, a recorder's row order and entities, the surest evidence first.

    `unusable`: columns that are left out of the model anyway (leaks, identifiers), which would blur the comparison;
    `leaking`: columns that know the target, so that an order they seem to tell is the target's.
    """
    rng = np.random.default_rng([seed, 1])
    moments = [(name, values) for name, values in time_columns(view) if name not in leaking]
    for name, values in moments:
        if is_ascending(values):
            return Structure("time", name, 0.95, f'rows stand in the order of "{name}"')
    panel = panel_of(view)
    if panel and not moments:
        entity, counter = panel
        count = view.levels[entity]
        why = f'"{counter}" counts upwards without gaps inside each of the {count:,} values of "{entity}"'
        return Structure("group", entity, 0.97, why)
    if len(view) < _FEWEST_ROWS:
        return Structure("random", None, 0.6, f"{len(view):,} rows are too few to tell an order or groups")
    unusable = unusable | leaking
    dated = {name for name, _ in moments}
    if len(view.fields) > _WIDE:
        unusable = unusable | weakest(strengths(view.without(unusable).sample(_SAMPLE, rng), rng))
    return (
        _by_date(view, moments, unusable | dated, seed)
        or _by_row_order(view, unusable | dated, rng, seed)
        or _by_entity(view, unusable | dated, rng, seed)
        or Structure("random", None, 0.8, "neither the order of rows nor any column ties rows together")
    )


def _by_date(
    view: View, moments: list[tuple[str, NDArray[np.int64]]], unusable: set[str], seed: int
) -> Structure | None:
    """Dates that do not sort the rows, but explain them. What is found is looked at again on other random rows."""
    rng = np.random.default_rng([seed, 2])
    sample = view.sample(_SAMPLE, rng)
    for name, _ in moments[:2]:
        rest = sample.without(unusable)
        gain = order_gain(rest, sample.columns[name], rng, seed)
        if gain.clear and order_gain(rest, sample.columns[name], rng, seed + 1).clear:
            why = f'knowing "{name}" lowers a quick model\'s loss by {gain.share:.0%} (z = {gain.z:.0f})'
            return Structure("time", name, 0.85, why)
        gap = time_gap(rest, sample.columns[name], rng, seed)
        if gap.wide and time_gap(rest, sample.columns[name], rng, seed + 1).wide:
            why = f'rows later by "{name}" are predicted {gap.share:.0%} worse than random rows (z = {gap.z:.0f})'
            return Structure("time", name, 0.85, why)
    return None


def _by_row_order(view: View, unusable: set[str], rng: np.random.Generator, seed: int) -> Structure | None:
    if is_sorted_by_target(view):
        return None
    sample = view.sample(_SAMPLE, rng)
    rest, place = sample.without(unusable), sample.rows.astype(np.float64)
    gain = order_gain(rest, place, rng, seed)
    if not gain.likely:
        return None
    again = order_gain(rest, place, rng, seed + 1)
    if not again.likely:
        return None
    clocks = clock_columns(view)
    said = f"knowing a row's place lowers a quick model's loss by {gain.share:.0%} (z = {gain.z:.0f})"
    if clocks:
        listed = " and ".join(f'"{name}"' for name in clocks[:2])
        return Structure("time", "row_order", 0.95, f"{listed} runs through the rows like a clock, and {said}")
    if gain.overwhelming and again.overwhelming and not has_block_of_one_class(view):
        return Structure("time", "row_order", 0.75, said)
    return None


def _by_entity(view: View, unusable: set[str], rng: np.random.Generator, seed: int) -> Structure | None:
    sample = view.sample(_SAMPLE, rng)
    for name, named in group_candidates(view):
        if sample.levels[name] < 8:
            continue
        share, z = (0.05, 4.0) if named else (0.15, 6.0)
        gap = group_gap(sample.without(unusable - {name}), name, rng, seed)
        if not gap.beyond(share, z):
            continue
        if group_gap(sample.without(unusable - {name}), name, rng, seed + 1).beyond(share, z):
            why = (
                f'a quick model\'s loss is {gap.share:.0%} higher on unseen values of "{name}" than on unseen rows'
                f" (z = {gap.z:.0f} over {gap.groups:,} values)"
            )
            return Structure("group", name, 0.9 if named else 0.8, why)
    return None
