"""The texts of an error where it is raised, read from the source: as a pattern with `…`, and with sample values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flyball.core.counting import counted

__all__ = ["Texts", "texts_at"]

_LABELS = ("where", "why", "fix")
# What stands for an expression in an example: the first pattern that is found in it wins.
_SAMPLES: tuple[tuple[str, str], ...] = (
    (r"near_miss", 'did you mean "speed"?'),
    (r"strerror|str\(error\)|error$|^why", "Permission denied"),
    (r"\bcode\b", "FB-GATE-003"),
    (r"version_ref|\.ref\b|^ref$", "machines@3"),
    (r"\balias\b", "production"),
    (r"\bbudget|duration|seconds\b", "soon"),
    (r"digest|hash|fingerprint|key_id|\bid\b", "9f2c41d0"),
    (r"\.name\.split|link|destination", "machines.csv"),
    (r"\b(file|path|source)\.name|\bfile\b$", "machines.csv"),
    (r"home|parent|folder|directory", "/srv/plant"),
    (r"path|absolute|where", "/srv/plant/machines.csv"),
    (r"metric", "roc_auc"),
    (r"model", "machines"),
    (r"target", "failed"),
    (r"host", "127.0.0.1"),
    (r"\bport\b", "8080"),
    (r"type\(|__name__|kind|dtype", "list"),
    (r"len\(|count|rows|number|total|odd|size|levels|sum\(|lost|cells|place|index|line\b|limit|most|least|seq|:,|missing\.",
     "12"),
    (r"names|columns|known|listed|join\(|sorted\(", '"speed", "site", "failed"'),
    (r"column|field|name|label|key", "speed"),
    (r"value|cell|text|shown|given|word", "abc"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Texts:
    """One place: `what` and `why` as patterns, the fixes it may offer, and all of it with samples filled in."""

    what: str
    why: str
    fixes: tuple[str, ...]
    sample: Mapping[str, str]

    @property
    def worth(self) -> tuple[int, int]:
        """How much of an example it makes: labelled lines first, then few blanks."""
        return (sum(label in self.sample for label in _LABELS), -self.what.count("…"))


def texts_at(source: str, name: str) -> Iterator[Texts]:
    """The texts of every call of `name(...)` in a source file that gives at least what happened."""
    for node in ast.walk(ast.parse(source)):
        called = node.func if isinstance(node, ast.Call) else None
        if not isinstance(node, ast.Call) or _last(called) != name or not node.args:
            continue
        given = {"what": node.args[0], **{word.arg: word.value for word in node.keywords if word.arg in _LABELS}}
        what = _pattern(given["what"])
        if what.strip("… ") == "" or any(isinstance(argument, ast.Starred) for argument in node.args):
            continue
        fixes = (
            tuple(fix for part in _branches(given["fix"]) if (fix := _pattern(part)).strip("… "))
            if "fix" in given
            else ()
        )
        sample = {label: text for label, part in given.items() if (text := _sample(part))}
        yield Texts(what, _pattern(given["why"]) if "why" in given else "", fixes, sample)


def _last(function: ast.expr | None) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _branches(node: ast.expr) -> list[ast.expr]:
    """The texts that an expression may be: both sides of an `or` and of a condition."""
    if isinstance(node, ast.BoolOp):
        return [branch for value in node.values for branch in _branches(value)]
    if isinstance(node, ast.IfExp):
        return [*_branches(node.body), *_branches(node.orelse)]
    return [node]


def _pattern(node: ast.expr) -> str:
    """The text with … for whatever is filled in; "…" when nothing of it is known."""
    return _written(node, lambda _: "…")


def _sample(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and node.value is None:
        return ""
    return _written(node, _value_of)


def _written(node: ast.expr, fill: object) -> str:
    assert callable(fill)
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_written(part, fill) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        inner = node.value
        text = _written(inner, fill) if isinstance(inner, ast.IfExp | ast.BoolOp | ast.JoinedStr) else str(fill(inner))
        return repr(text) if node.conversion == ord("r") and text != "…" else text
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _written(node.left, fill) + _written(node.right, fill)
    if isinstance(node, ast.IfExp):
        return _written(node.body, fill)
    if isinstance(node, ast.Call) and _last(node.func) == "counted" and isinstance(node.args[1], ast.Constant):
        return f"{fill(node.args[0])} {counted(2, str(node.args[1].value)).partition(' ')[2]}"
    if isinstance(node, ast.BoolOp):
        return _written(node.values[0], fill) if fill(node.values[0]) != "…" else _written(node.values[-1], fill)
    return str(fill(node))


def _value_of(node: ast.expr) -> str:
    """A sample for an expression, by what it is called."""
    written = ast.unparse(node)
    return next((sample for pattern, sample in _SAMPLES if re.search(pattern, written)), "…")
