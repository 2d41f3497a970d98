"""Canonical JSON, ids, moments and the error base."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from flyball.core.canonical import canonical_json, digest_json
from flyball.core.clock import rfc3339
from flyball.core.ids import new_id
from flyball_runtime.errors import BadInput, near_miss


class Fixed:
    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def test_a_large_float_has_one_form_before_and_after_it_was_stored() -> None:
    form = canonical_json({"high": [6.709524192e16, -(2.0**70)]})
    assert canonical_json(json.loads(form)) == form


def test_one_value_has_one_byte_form_whatever_the_order_of_its_keys() -> None:
    assert canonical_json({"b": 1.0, "a": [None, "é"]}) == canonical_json({"a": [None, "é"], "b": 1.0})
    assert canonical_json({"b": 1.0, "a": "é"}) == '{"a":"é","b":1}'.encode()
    assert digest_json([1]) != digest_json([2])


def test_ids_of_different_milliseconds_sort_by_time() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [new_id("run", Fixed(start + timedelta(milliseconds=step))) for step in range(100)]
    assert ids == sorted(ids)
    assert len({len(identity) for identity in ids}) == 1


def test_moments_are_written_in_utc_and_need_a_zone() -> None:
    moment = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(moment) == "2026-01-01T10:00:00.000000Z"
    with pytest.raises(ValueError, match="time zone"):
        rfc3339(datetime(2026, 1, 1))  # noqa: DTZ001


def test_an_error_shows_its_code_first_and_the_fix_last() -> None:
    error = BadInput("no such column", where="table.csv", why="a typo", fix="rename it", facts={"columns": "a, b"})
    assert str(error).splitlines() == [
        "FB-CORE-002  no such column",
        "  where    table.csv",
        "  why      a typo",
        "  columns  a, b",
        "  fix      rename it",
    ]
    assert error.to_dict()["facts"] == {"columns": "a, b"}


def test_near_misses_ignore_case_and_stay_silent_when_nothing_is_close() -> None:
    assert near_miss("INCME", ["income", "age"]) == 'did you mean "income"?'
    assert near_miss("zzz", ["income", "age"]) is None
