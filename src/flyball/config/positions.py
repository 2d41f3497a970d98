"""Where each key of a TOML text stands: the standard reader checks and reads, but forgets positions."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

__all__ = ["KeyPath", "Position", "key_positions"]

KeyPath = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\]|\\.)*"')
_LITERAL = re.compile(r"'[^']*'")
_BASIC_BLOCK = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2}(?!"))?', re.DOTALL)
_LITERAL_BLOCK = re.compile(r"'''.*?'''(?:'{0,2}(?!'))?", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True)
class Position:
    """Line and column in a text, both counted from 1."""

    line: int
    column: int


def key_positions(text: str) -> dict[KeyPath, Position]:
    """The position of every key, table header and array element of a valid TOML document, by its path.

    The text must be one that `tomllib` accepts: what it would refuse gives an unspecified answer.

    >>> key_positions('[a]\\nb.c = [1, 2]')[("a", "b", "c")]
    Position(line=2, column=1)
    """
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    """Walks a document from left to right once, noting where keys begin."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: dict[KeyPath, Position] = {}
        self._elements: Counter[KeyPath] = Counter()
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def scan(self) -> dict[KeyPath, Position]:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            table = self._header() if self._text[self._at] == "[" else self._pair(table)
            self._skip(_BLANK)
        return self._found

    def _header(self) -> KeyPath:
        """`[a.b]` or `[[a.b]]`; a path through an array of tables continues in its last element."""
        begin = self._at
        array = self._text.startswith("[[", begin)
        self._at += 2 if array else 1
        path = self._enter((), self._key(), begin)
        if array:
            self._elements[path] += 1
            path = (*path, self._elements[path] - 1)
            self._note(path, begin)
        self._at = self._text.index("]" * (2 if array else 1), self._at) + (2 if array else 1)
        return path

    def _pair(self, table: KeyPath) -> KeyPath:
        """`key = value`; answers the table it stands in, so that the caller goes on there."""
        begin = self._at
        path = self._enter(table, self._key(), begin)
        self._skip(_SPACE)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)
        return table

    def _enter(self, table: KeyPath, keys: list[str], begin: int) -> KeyPath:
        path = table
        for depth, key in enumerate(keys, start=1):
            path = (*path, key)
            self._note(path, begin)
            if self._elements[path] and depth < len(keys):
                path = (*path, self._elements[path] - 1)
        return path

    def _key(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            for pattern in (_BARE, _BASIC, _LITERAL):
                match = pattern.match(self._text, self._at)
                if match:
                    keys.append(match[0] if pattern is _BARE else _unquote(match[0]))
                    self._at = match.end()
                    break
            else:
                raise ValueError(f"no key at offset {self._at}")
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _value(self, path: KeyPath) -> None:
        first = self._text[self._at]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            block = self._text[self._at : self._at + 3]
            quoted = {'"': _BASIC, "'": _LITERAL}.get(first, _SCALAR)
            self._skip({'"""': _BASIC_BLOCK, "'''": _LITERAL_BLOCK}.get(block, quoted))

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while not self._closes("]"):
            self._note((*path, index), self._at)
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while not self._closes("}"):
            self._pair(path)

    def _closes(self, bracket: str) -> bool:
        """Skip to the next element, or past the closing bracket."""
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_BLANK)
        if self._text.startswith(bracket, self._at):
            self._at += 1
            return True
        return False

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()

    def _note(self, path: KeyPath, offset: int) -> None:
        if path not in self._found:
            line = bisect_right(self._line_starts, offset)
            self._found[path] = Position(line, offset - self._line_starts[line - 1] + 1)


def _unquote(quoted: str) -> str:
    value = tomllib.loads(f"key = {quoted}")["key"]
    return str(value)
