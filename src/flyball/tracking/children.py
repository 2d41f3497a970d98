"""What belongs to many runs, read with one statement per table instead of one per run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Row, bindparam, select

from flyball.store import Reader
from flyball.tracking.records import DatasetInput, Metric, ModelLink, Run
from flyball.tracking.statements import chunks, plain_rows
from flyball.tracking.tables import datasets, inputs, latest, links, params, tags

__all__ = ["Belongings", "read_belongings", "read_runs"]

_NAN = float("nan")
_SOME: BindParameter[Any] = bindparam("numbers", expanding=True)
# These statements are built once: to build one costs as much as to run it.
_POINTS = select(
    latest.c.run, latest.c.key, latest.c.value, latest.c.nan, latest.c.timestamp, latest.c.step
).where(latest.c.run.in_(_SOME))  # fmt: skip
_PARAMS = select(params).where(params.c.run.in_(_SOME))
_TAGS = select(tags).where(tags.c.run.in_(_SOME))
_LINKS = select(links).where(links.c.run.in_(_SOME))
_DATASETS = (
    select(inputs.c.run, inputs.c.tags, *datasets.c)
    .join(datasets, datasets.c.number == inputs.c.dataset)
    .where(inputs.c.run.in_(_SOME))
)


class Belongings(NamedTuple):
    """What belongs to some runs, as rows: `points` (run, key, value, nan, timestamp, step), `params` and `tags` (run, key,
    value), `links` (run, kind, model, step), `inputs` (run, data)."""

    points: list[Any]
    params: list[Any]
    tags: list[Any]
    links: list[Any]
    inputs: list[tuple[int, DatasetInput]]


def read_belongings(reader: Reader, numbers: Iterable[int], *, files: bool = True) -> Belongings:
    """What belongs to the runs of these numbers; without `files`, links and inputs stay empty."""
    found = Belongings([], [], [], [], [])
    for some in chunks(numbers):
        which = {"numbers": some}
        found.points.extend(plain_rows(reader.execute(_POINTS, which)))
        found.params.extend(plain_rows(reader.execute(_PARAMS, which)))
        found.tags.extend(plain_rows(reader.execute(_TAGS, which)))
        if files:
            found.links.extend(plain_rows(reader.execute(_LINKS, which)))
            found.inputs.extend(_datasets(reader, which))
    return found


def read_runs(reader: Reader, rows: Sequence[Row[Any]]) -> list[Run]:
    """The runs of rows of the table, in their order."""
    measured: dict[int, list[Metric]] = defaultdict(list)
    given: dict[int, dict[str, str]] = defaultdict(dict)
    tagged: dict[int, dict[str, str]] = defaultdict(dict)
    linked: dict[int, list[ModelLink]] = defaultdict(list)
    read: dict[int, list[DatasetInput]] = defaultdict(list)
    whole = read_belongings(reader, (row.number for row in rows))
    for run, key, value, nan, timestamp, step in whole.points:
        measured[run].append(Metric(key, _NAN if nan else value, timestamp, step))
    for pairs, into in ((whole.params, given), (whole.tags, tagged)):
        for run, key, value in pairs:
            into[run][key] = value
    for run, kind, model, step in whole.links:
        linked[run].append(ModelLink(kind, model, step))
    for run, dataset in whole.inputs:
        read[run].append(dataset)
    return [
        Run.from_row(
            row,
            metrics=tuple(measured[row.number]),
            params=given[row.number],
            tags=tagged[row.number],
            inputs=tuple(read[row.number]),
            links=tuple(linked[row.number]),
        )
        for row in rows
    ]


def _datasets(reader: Reader, some: dict[str, list[int]]) -> list[tuple[int, DatasetInput]]:
    return [
        (
            row.run,
            DatasetInput(
                row.name, row.digest, row.source_type, row.source, row.schema, row.profile, json.loads(row.tags)
            ),
        )
        for row in reader.execute(_DATASETS, some)
    ]
