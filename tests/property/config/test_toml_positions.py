"""Every key that the standard reader finds has a position, and it stands there."""

from __future__ import annotations

import tomllib
from typing import Any

import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from flyball.config.positions import KeyPath, key_positions

_keys = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=5),
)
_scalars = st.one_of(
    st.integers(-(2**40), 2**40),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8),
)
_values = st.recursive(_scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3))
_documents = st.dictionaries(_keys, _values, max_size=5)


def _paths(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    """All paths of a document: keys, and elements of arrays."""
    found: set[KeyPath] = {path} if path else set()
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in children:
        found |= _paths(inner, (*path, key))
    return found


@given(_documents)
def test_every_path_of_a_document_has_a_position(document):
    text = tomlkit.dumps(document)
    assert set(key_positions(text)) == _paths(tomllib.loads(text))


@given(st.dictionaries(_keys, _scalars, min_size=1, max_size=6))
def test_a_position_is_where_the_key_is_written(document):
    text = tomlkit.dumps(document)
    lines = text.split("\n")
    for path, position in key_positions(text).items():
        assert position.column == 1
        assert tomllib.loads(lines[position.line - 1]) == {path[0]: document[path[0]]}


def test_headers_dotted_keys_comments_and_blocks_are_followed():
    text = '''# first
title = """a
[not.a.table]
b = 1"""  # "quoted"
lit = \'\'\'x = 1
\'\'\'
[a."b.c"] # comment
d.e = { f = [1, [2, 3]], g = "}" }
when = 2020-01-01 10:00:00Z
[[list]]
x = 1
[[list]]
x = [ # why
  1,
  2,
]
[list.sub]
y = 2
'''
    found = key_positions(text)
    assert set(found) == _paths(tomllib.loads(text))
    assert (found["a", "b.c", "d", "e", "f"].line, found["a", "b.c", "d", "e", "f"].column) == (8, 9)
    assert found["list", 1, "x"].line == 13
    assert found["list", 1, "sub", "y"].line == 18
