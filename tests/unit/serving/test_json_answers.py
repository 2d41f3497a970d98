"""JSON in and out: nothing that a strict reader would refuse leaves, whatever came in."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.serving.asgi import MalformedBody, error_response, json_bytes, parse_json, status_of
from flyball_runtime.errors import BadInput, InternalError, Refused

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


def strict(body):
    def refuse(constant):
        raise AssertionError(constant)

    return json.loads(body.decode("utf-8"), parse_constant=refuse)


@given(VALUES)
def test_any_value_becomes_strict_json_with_null_for_what_has_no_number(value):
    def expected(item):
        if isinstance(item, float):
            return item if math.isfinite(item) else None
        if isinstance(item, str):
            return item.encode("utf-8", "replace").decode()
        if isinstance(item, list):
            return [expected(part) for part in item]
        if isinstance(item, dict):
            return {expected(name): expected(part) for name, part in item.items()}
        return item

    assert strict(json_bytes(value)) == expected(value)


def test_numpy_values_are_written_plainly():
    value = {
        "a": np.float64("nan"),
        "b": np.arange(3),
        "c": np.bool_(True),
        "d": np.array([1.5, np.inf]),
        "e": np.int64(2),
    }
    assert strict(json_bytes(value)) == {"a": None, "b": [0, 1, 2], "c": True, "d": [1.5, None], "e": 2}
    with pytest.raises(TypeError):
        json_bytes(object())


@given(st.binary(max_size=40))
def test_any_bytes_are_parsed_or_refused_with_the_code(body):
    try:
        parse_json(body)
    except MalformedBody as error:
        assert error.what


@pytest.mark.parametrize(
    "body", [b'"\\ud800"', b'{"\\uDC00": 1}', b'"\xed\xa0\x80"', b"\xff\xfe1\x00", b"", b"[" * 99_999]
)
def test_text_that_nothing_could_store_is_refused(body):
    with pytest.raises(MalformedBody):
        parse_json(body)


def test_whole_surrogate_pairs_and_a_byte_order_mark_are_read():
    assert parse_json(b'\xef\xbb\xbf["\\ud83d\\ude00", "\\\\ud800"]') == ["\U0001f600", "\\ud800"]


def test_errors_carry_one_line_for_the_protocol_and_their_parts():
    response = error_response(BadInput("bad", where="here", why="because", fix="do this"))
    document = strict(response.body)
    assert document["error"] == "bad (here); because; do this"
    assert (document["code"], document["fix"]) == ("FB-CORE-002", "do this")
    assert [status_of(kind("x")) for kind in (BadInput, Refused, InternalError)] == [400, 409, 500]
