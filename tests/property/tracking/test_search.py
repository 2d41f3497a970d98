"""A search answers what reading every run and judging it in Python answers."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flyball.testing.registries import open_registry
from flyball.tracking import Metric, Run, Tracking
from flyball.tracking.query import All, Compare, Either, Negated, Node, parse
from support.postgres import PostgresServer

KEYS = ("m1", "m 2")
PARAMS = ("p1", "p-2")
TEXTS = ("a", "A", "ab", "b%", "_", "[x]", "*", "")
VALUES = (0.0, 0.5, 1.0, -1.0, math.nan, math.inf)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def tracking(request: pytest.FixtureRequest) -> Iterator[Tracking]:
    with tempfile.TemporaryDirectory() as folder:
        url = "sqlite:///flyball.db"
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            url = server.database()
        registry = open_registry(Path(folder), store=url)
        made = Tracking(registry.database, registry.artifacts, registry.ledger)
        for number in range(40):
            run = made.runs.create(0, name=f"run {number:02}", started=number % 7)
            metrics = [
                Metric(key, VALUES[(number * 5 + place * 3) % 6], 1, 0)
                for place, key in enumerate(KEYS)
                if number % 4 != place
            ]
            params = {key: TEXTS[(number * 3 + place) % 8] for place, key in enumerate(PARAMS) if number % 5 != place}
            made.runs.log(run.id, metrics=metrics, params=params, tags={"t": TEXTS[number % 8]} if number % 3 else {})
            if number % 2:
                made.runs.update(run.id, status="FINISHED", ended=10 + number)
        yield made
        registry.database.close()


def comparisons() -> st.SearchStrategy[str]:
    signs = st.sampled_from(["=", "!=", ">", ">=", "<", "<="])
    likes = st.sampled_from(["=", "!=", "LIKE", "ILIKE"])
    quoted = st.sampled_from([*TEXTS, "a%", "%b%", "A%", "run 0%"]).map(lambda text: f"'{text}'")
    pairs = st.sampled_from(["params.p1", "params.`p-2`", "tags.t", "tags.none"])
    return st.one_of(
        st.tuples(
            st.sampled_from(["metrics.m1", "metrics.`m 2`", "metrics.none"]),
            signs,
            st.sampled_from(["0", "0.5", "1", "-2"]),
        ),
        st.tuples(st.sampled_from(["start_time", "end_time"]), signs, st.sampled_from(["3", "0", "25"])),
        st.tuples(st.one_of(pairs, st.sampled_from(["run_name", "status"])), likes, quoted),
        st.tuples(
            st.one_of(pairs, st.just("status")), st.sampled_from(["IN", "NOT IN"]), st.just("('a', 'ab', 'FINISHED')")
        ),
        st.tuples(pairs, st.sampled_from(["IS NULL", "IS NOT NULL"]), st.just("")),
    ).map(" ".join)


def queries() -> st.SearchStrategy[str]:
    return st.recursive(
        comparisons(),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from([" AND ", " OR "]), inner).map("".join),
            inner.map(lambda text: f"NOT ({text})"),
            inner.map(lambda text: f"({text})"),
        ),
        max_leaves=5,
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries())
def test_a_search_finds_exactly_the_runs_that_meet_the_query(tracking: Tracking, query: str) -> None:
    every = tracking.runs.search(limit=1000).items
    wanted = {run.name for run in every if meets(run, parse(query))}
    assert {run.name for run in tracking.runs.search(query, limit=1000).items} == wanted


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.lists(
        st.sampled_from(["metrics.m1", "params.p1 DESC", "end_time DESC", "tags.t", "start_time"]),
        max_size=2,
        unique=True,
    ),
    size=st.integers(1, 17),
)
def test_pages_together_are_the_whole_in_the_same_order(tracking: Tracking, order: list[str], size: int) -> None:
    whole = [run.name for run in tracking.runs.search(order_by=order, limit=1000).items]
    found: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = tracking.runs.search(order_by=order, limit=size, offset=offset)
        assert len(page.items) <= size
        found += [run.name for run in page.items]
        offset = page.next
    assert found == whole


@pytest.mark.parametrize("way", ["ASC", "DESC"])
def test_what_is_absent_or_no_number_comes_last_either_way(tracking: Tracking, way: str) -> None:
    found = tracking.runs.search(order_by=[f"metrics.m1 {way}"], limit=1000).items
    values = [next((metric.value for metric in run.metrics if metric.key == "m1"), None) for run in found]
    kinds = [2 if value is None else 1 if math.isnan(value) else 0 for value in values]
    assert kinds == sorted(kinds)
    numbers = [value for value in values if value is not None and not math.isnan(value)]
    assert numbers == sorted(numbers, reverse=way == "DESC")


def meets(run: Run, node: Node) -> bool:
    """The query judged in Python; like SQL, a comparison with what is absent does not hold."""
    if isinstance(node, All):
        return all(meets(run, part) for part in node.parts)
    if isinstance(node, Either):
        return any(meets(run, part) for part in node.parts)
    if isinstance(node, Negated):
        return _known(run, node.part) and not meets(run, node.part)
    return _holds(run, node)


def _known(run: Run, node: Node) -> bool:
    """Whether SQL knows if it holds: only a comparison with an end that is not there yet is neither true nor false."""
    if isinstance(node, Negated):
        return _known(run, node.part)
    if isinstance(node, All):
        return all(_known(run, part) for part in node.parts) or any(
            _known(run, part) and not meets(run, part) for part in node.parts
        )
    if isinstance(node, Either):
        return all(_known(run, part) for part in node.parts) or any(
            _known(run, part) and meets(run, part) for part in node.parts
        )
    return node.field.key != "end_time" or run.ended is not None


def _holds(run: Run, compare: Compare) -> bool:
    kind, key = compare.field
    found: Any
    if kind == "metrics":
        found = next((metric.value for metric in run.metrics if metric.key == key), None)
    elif kind:
        found = (run.params if kind == "params" else run.tags).get(key)
    else:
        found = {"start_time": run.started, "end_time": run.ended, "run_name": run.name, "status": run.status}[key]
    if compare.operator in ("IS NULL", "IS NOT NULL"):
        return (found is None) == (compare.operator == "IS NULL")
    if found is None:
        return False
    if compare.operator in ("IN", "NOT IN"):
        return (found in [value.text for value in compare.values]) == (compare.operator == "IN")
    value = compare.values[0]
    return _OPERATORS[compare.operator](found, float(value.text) if value.number else value.text)


def _like(text: str, pattern: str, flags: int = 0) -> bool:
    expression = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(expression, text, flags | re.DOTALL) is not None


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "LIKE": _like,
    "ILIKE": lambda a, b: _like(a, b, re.IGNORECASE),
}
