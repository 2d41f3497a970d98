"""The project file that `flyball init` writes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["inline_toml", "write_project"]


def write_project(
    *,
    name: str,
    source: str,
    target: str,
    store: str | None = None,
    test: str | None = None,
    task: str | None = None,
    metric: str | None = None,
    budget: str = "60s",
    positive: str | bool | float | None = None,
    weight: str | None = None,
    time: str | None = None,
    group: str | None = None,
    split: str | None = None,
    embargo: str | int | None = None,
    purge: bool = False,
    personal: Sequence[str] = (),
    public: Sequence[str] = (),
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    seed: int = 0,
    gate: Mapping[str, str | bool] | None = None,
    findings: Sequence[str] = (),
    known: str | None = None,
    key: str | None = None,
    refers: Mapping[str, str] | None = None,
    related: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """A `flyball.toml` with one dataset and one model, both called `name`, and a gate before `production`.

    `gate` maps a metric to its rule (default: beats the baseline); `findings` are lines that a look at the data gave,
    kept as comments. What is None stands in the file as a comment that shows how to set it. `related` holds further
    tables by name, each with "source" and, where known, "key", "time" and "refers".
    """
    others = related or {}
    found = [f"# {line}" for finding in findings for line in _wrap(finding)]
    parts = [
        "# What Flyball does with this folder. Change it, then type: flyball run",
        "",
        "[project]",
        f"name = {_toml(name)}",
        f"store = {_toml(store)}" if store else '# store = "sqlite:///.flyball/flyball.db"',
        '# artifacts = ".flyball/artifacts"',
        "",
        f"[data.{name}]",
        f"source = {_toml(source)}",
        *_setting("test", test, '"test.csv"', "rows to test on; the test is drawn from source otherwise"),
        *_setting("time", time, '"COLUMN"', "when a row was observed"),
        *_setting("entity", group, '"COLUMN"', "the machine, customer … that several rows belong to"),
        *_setting("personal", list(personal) or None, '["COLUMN"]', "never shown, never logged"),
        *_setting("public", list(public) or None, '["COLUMN"]', "columns that only seem personal"),
        *_setting(
            "missing",
            None,
            "{ COLUMN = [-1] }",
            "values that mean missing; [] when none does; found by itself otherwise",
        ),
        *(
            _setting("known", known, '"COLUMN"', "when the target became known, so that earlier rows may tell theirs")
            if known or others
            else []
        ),
        *_links(key, refers),
        "",
        *(line for name, table in others.items() for line in _section(name, table)),
        *(["# A look at the data found:", *found, ""] if found else []),
        f"[model.{name}]",
        f"data = {_toml([name, *others] if others else name)}"
        + ("   # the first is predicted, the others tell of its rows" if others else ""),
        f"target = {_toml(target)}",
        *_setting("task", task, '"binary"', "binary, multiclass or regression; found by itself otherwise"),
        *_setting("metric", metric, '"roc_auc"', "what to be best at"),
        f"budget = {_toml(budget)}",
        *_setting("positive", positive, '"yes"', "the class that matters"),
        *_setting("weight", weight, '"COLUMN"', "how much a row counts"),
        *_setting("split", split, '"random"', "random, time or group; found by itself otherwise"),
        *_setting("embargo", embargo, '"7d"', "what lies between learning and judging: a time, or a number of rows"),
        *_setting("purge", purge or None, "true", "learn from no group that the test holds"),
        *_setting("drop", list(drop) or None, '["COLUMN"]', "columns the model must not use"),
        *_setting("keep", list(keep) or None, '["COLUMN"]', "columns to use although the look advises against it"),
        *([f"seed = {seed}"] if seed else []),
        "",
        "# A version must pass this before `flyball promote … production` moves the alias to it.",
        "[gate.production]",
        *[f"{_key(rule)} = {_toml(bound)}" for rule, bound in (gate or {"beats_baseline": True}).items()],
    ]
    return "\n".join(parts) + "\n"


def _section(name: str, table: Mapping[str, Any]) -> list[str]:
    """The section of a related table."""
    return [
        f"[data.{name}]",
        f"source = {_toml(table['source'])}",
        *_setting("time", table.get("time"), '"COLUMN"', "since when a row was known"),
        *_links(table.get("key"), table.get("refers")),
        "",
    ]


def _links(key: str | None, refers: Mapping[str, str] | None) -> list[str]:
    lines = [] if key is None else _setting("key", key, "", "names the rows")
    if refers:
        pairs = ", ".join(f"{_key(column)} = {_toml(other)}" for column, other in refers.items())
        lines.append(f"refers = {{ {pairs} }}   # of which table a column holds the key")
    return lines


def _setting(key: str, value: object, example: str, meaning: str) -> list[str]:
    return [f"# {key} = {example}   # {meaning}" if value is None else f"{key} = {_toml(value)}   # {meaning}"]


def _wrap(text: str) -> list[str]:
    """Comment lines; whatever control characters a column's name holds cannot end a comment early."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.wrap(plain, 110, initial_indent="- ", subsequent_indent="  ", break_long_words=False)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _toml(key)


def inline_toml(value: object) -> str:
    """A value as TOML on one line; mappings become inline tables."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(key))} = {inline_toml(item)}" for key, item in value.items()) + " }"
    return _toml(value)


def _toml(value: object) -> str:
    """A value as TOML. JSON's escapes of a text are TOML's, but for the delete character."""
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
