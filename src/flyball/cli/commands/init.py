"""`flyball init`: a table becomes a project."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson
from flyball.core.counting import counted

__all__ = ["init"]

_CHOICES = ("test", "time", "group", "split", "embargo", "purge", "positive", "weight", "metric", "drop", "keep",
            "personal", "public", "known")  # fmt: skip
_PLACES = {**{name: f"--{name}" for name in _CHOICES}, "data.test": "--test"}


def Many(meaning: str) -> Parameter:  # noqa: N802 - it stands where a Parameter would
    """An option that may be given several times, each time with one column's name, commas and all."""
    return Parameter(help=meaning, consume_multiple=False, negative=())


def init(
    name: str,
    *,
    from_: Annotated[str, Parameter(name="--from")],
    target: str,
    test: Annotated[Path | None, Parameter(help="A file of rows to test on; learned from never.")] = None,
    time: Annotated[str | None, Parameter(help="The column that says when a row was observed.")] = None,
    group: Annotated[str | None, Parameter(help="The column that says what a row belongs to: a machine, say.")] = None,
    split: Annotated[
        Literal["auto", "random", "time", "group"] | None,
        Parameter(help="How to test: random, time or group. Default: as the data shows."),
    ] = None,
    embargo: Annotated[
        str | None, Parameter(help="What lies between learning and judging: a time such as 7d, or a number of rows.")
    ] = None,
    purge: Annotated[bool, Parameter(help="Learn from no group that the test holds.", negative=())] = False,
    positive: Annotated[str | None, Parameter(help="The class that matters, when there are two.")] = None,
    weight: Annotated[str | None, Parameter(help="The column that says how much a row counts.")] = None,
    metric: Annotated[str | None, Parameter(help="What to be best at, such as roc_auc.")] = None,
    drop: Annotated[list[str] | None, Many("A column that must not be used. May be repeated.")] = None,
    keep: Annotated[list[str] | None, Many("A column to use whatever is found. May be repeated.")] = None,
    personal: Annotated[list[str] | None, Many("A column never to show or log. May be repeated.")] = None,
    public: Annotated[list[str] | None, Many("A column that only seems personal. May be repeated.")] = None,
    store: Annotated[
        str | None,
        Parameter(
            help="Keep the project's tables in this database, such as postgresql://user@host/name. Default: a file."
        ),
    ] = None,
    related: Annotated[
        list[Path] | None,
        Parameter(
            help="A table that tells of the rows, tied to them by keys. May be repeated.",
            consume_multiple=False,
            negative=(),
        ),
    ] = None,
    known: Annotated[str | None, Parameter(help="The column that says when the target became known.")] = None,
    folder: Annotated[
        Path | None, Parameter(name="--dir", help="Where to make the project; made when missing. Default: this folder.")
    ] = None,
    as_json: AsJson = False,
) -> Answer:
    """Make a project from a table: read it, look at it, write flyball.toml.

    For example:
        flyball init machines --from ai4i2020.csv --target "Machine failure"
        flyball init sales --from sales.csv --target sold --time day --embargo 7d
        flyball init sales --from train.csv --test test.csv --target sold
        flyball init sales --from sales.csv --target sold --store postgresql://flyball@db.plant/sales
        flyball init orders --from orders.csv --target freight --related lines.csv --related customers.csv

    Parameters
    ----------
    name
        What the model and its data will be called.
    from_
        The table: a CSV or Parquet file, or a folder of them.
    target
        The column to predict.
    """
    from flyball.cli.answer import bullet_list, escape
    from flyball.cli.progress import console_progress
    from flyball.project import init as make

    progress = console_progress()
    try:
        made = make(
            name, source=from_, target=target, test=test, time=time, group=group, split=split or "auto",
            embargo=int(embargo) if embargo and embargo.isascii() and embargo.isdigit() else embargo, purge=purge,
            positive=positive, weight=weight, metric=metric, drop=drop or (), keep=keep or (), personal=personal or (),
            public=public or (), related=related or (), known=known, places=_PLACES,
            store=store, directory=folder or Path(), progress=progress,
        )  # fmt: skip
    finally:
        progress.close()
    made.project.close()
    data = made.to_dict()
    said = data.get("related", {}).get("said", [])
    lines = [
        f"[bold]{name}[/]: {counted(data['rows'], 'row')}, {counted(data['columns'], 'column')}, "
        f"a {data['task']} task ({data['task_why']})",
        f"split     by {data['split']['kind']}: {escape(data['split']['why'])}",
        *bullet_list("", data["split"]["details"]),
        *bullet_list("related", said),
        *bullet_list("left out", [f"{item['column']}: {item['why']}" for item in data["left_out"]]),
        *bullet_list("overruled", [one["text"] for one in data["overrules"]]),
        *bullet_list("noticed", [note for note in data["notes"] if note not in said]),
        f"wrote     {escape(data['project_file'])}",
        f"next      {escape(f'cd {shlex.quote(str(folder))} && ') if folder else ''}flyball run",
    ]
    return Answer(data, "\n".join(lines))
