"""Queries are read as they are written, and what is wrong with one is said with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.tracking import PathRefused, QueryInvalid, TrackingInvalid
from flyball.tracking.fields import resolve
from flyball.tracking.names import check_key, check_path
from flyball.tracking.query import All, Compare, Either, Field, Negated, Value, parse, parse_order
from flyball.tracking.search import PLAIN_RUNS, RUNS


def test_and_binds_closer_than_or_and_not_closest() -> None:
    found = parse("metrics.a > 1 OR NOT params.b = 'x' AND tags.c IS NULL")
    assert isinstance(found, Either)
    left, right = found.parts
    assert isinstance(left, Compare)
    assert isinstance(right, All)
    assert isinstance(right.parts[0], Negated)


def test_brackets_come_first() -> None:
    found = parse("(metrics.a > 1 OR metrics.b > 2) AND metrics.c > 3")
    assert isinstance(found, All)
    assert isinstance(found.parts[0], Either)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("metrics.loss = 1", ("metrics", "loss")),
        ("metrics.`val loss` = 1", ("metrics", "val loss")),
        ('metrics."val loss" = 1', ("metrics", "val loss")),
        ("tags.mlflow.source.name = 'x'", ("tags", "mlflow.source.name")),
        ("status = 'x'", ("", "status")),
        ("`status` = 'x'", ("", "status")),
    ],
)
def test_a_key_may_be_plain_or_quoted(text: str, field: tuple[str, str]) -> None:
    found = parse(text)
    assert isinstance(found, Compare)
    assert found.field == Field(*field)


@pytest.mark.parametrize(("mark", "text"), [("'", "a b"), ('"', "a b"), ("'", ""), ("'", 'it"s')])
def test_a_text_stands_in_quotes_of_either_kind(mark: str, text: str) -> None:
    found = parse(f"params.p = {mark}{text}{mark}")
    assert isinstance(found, Compare)
    assert found.values == (Value(text, False),)


@pytest.mark.parametrize(
    "text",
    [
        "metrics.a", "= 1", "metrics.a >", "metrics.a > 1 AND", "(metrics.a > 1", "metrics.a > 1)", "params.p = x",
        "metrics.a > 1 metrics.b > 2", "tags.t IN 'a'", "tags.t IN ()", "tags.t IS", "a ; DROP TABLE x", "metrics.a > 1 --",
    ],
)  # fmt: skip
def test_a_broken_query_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(QueryInvalid) as refused:
        parse(text)
    assert "column" in (refused.value.where or "")


@pytest.mark.parametrize("text", ["a = 'x' OR b = 'y'", "NOT a = 'x'", "(a = 'x')"])
def test_the_protocol_knows_and_only(text: str) -> None:
    parse(text)
    with pytest.raises(QueryInvalid):
        parse(text, plain=True)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_and_never_fails_otherwise(text: str) -> None:
    for plain in (True, False):
        try:
            parse(text, plain=plain)
        except QueryInvalid:
            continue


def test_brackets_without_end_are_refused_and_do_not_exhaust_the_stack() -> None:
    with pytest.raises(QueryInvalid):
        parse("(" * 5000)


@pytest.mark.parametrize(
    "text",
    ["metrics.a = 'x'", "params.p = 1", "metrics.a LIKE 'x'", "params.p > 'x'", "start_time = 'x'", "odd = 'x'", "odd.x = 'x'",
     "status IS NULL", "datasets.odd = 'x'"],
)  # fmt: skip
def test_a_comparison_that_makes_no_sense_is_refused(text: str) -> None:
    for domain in (RUNS, PLAIN_RUNS):
        found = parse(text)
        assert isinstance(found, Compare)
        with pytest.raises(QueryInvalid):
            resolve(found, domain)


def test_an_order_is_a_field_and_a_direction() -> None:
    assert parse_order("metrics.`log loss` desc") == (Field("metrics", "log loss"), False)
    assert parse_order("start_time") == (Field("", "start_time"), True)
    for text in ("", "a b", "a ASC b", "metrics.a odd", "1"):
        with pytest.raises(QueryInvalid):
            parse_order(text)


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/x",
        "a/../b",
        "a//b",
        "a/./b",
        "a\\b",
        "..%2fx",
        "%2e%2e/x",
        "%252e%252e/x",
        "a#b",
        "a\nb",
        "C:/x",
        "x" * 1001,
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(PathRefused):
        check_path(path)


@pytest.mark.parametrize("path", ["a", "a/b.c", "späß 100%/x", "a/", ""])
def test_a_plain_path_is_taken(path: str) -> None:
    assert check_path(path) == path.strip("/")


@pytest.mark.parametrize("key", ["", "a|b", "../a", "/a", "a//b", "x" * 251, None, 3])
def test_a_key_that_is_no_name_is_refused(key: object) -> None:
    with pytest.raises(TrackingInvalid):
        check_key(key)
