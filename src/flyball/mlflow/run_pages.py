"""A page of many runs as JSON text, written from the rows: to make an object of each value costs more than to read it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring as quoted
from typing import Any

from flyball.mlflow.entities import inputs_entity, outputs_entity
from flyball.tracking import DatasetInput, ModelLink
from flyball.tracking.children import Belongings

__all__ = ["runs_page_json"]

_NO_FILES = (json.dumps(inputs_entity((), ())), json.dumps(outputs_entity(())))


def runs_page_json(rows: Sequence[Any], whole: Belongings, more: Mapping[str, str]) -> bytes:
    """The answer to a search: `rows` of the table of runs, what belongs to them, and further fields of the answer.

    Equal to what `run_entity` gives of each run.
    """
    metrics, params, tags = _metrics(whole.points), _pairs(whole.params), _pairs(whole.tags)
    read, links = _grouped(whole.inputs), _grouped((run, ModelLink(*link)) for run, *link in whole.links)
    written = []
    for row in rows:
        number = row.number
        inputs, outputs = _NO_FILES
        if number in read or number in links:
            inputs, outputs = _files(read.get(number, []), links.get(number, []))
        written.append(
            f'{{"info":{_info(row)},"data":{{"metrics":[{",".join(metrics.get(number, ()))}],'
            f'"params":[{",".join(params.get(number, ()))}],"tags":[{",".join(tags.get(number, ()))}]}},'
            f'"inputs":{inputs},"outputs":{outputs}}}'
        )
    others = "".join(f",{quoted(name)}:{quoted(value)}" for name, value in more.items())
    return f'{{"runs":[{",".join(written)}]{others}}}'.encode()


def _info(row: Any) -> str:
    # By place: to look columns up by name takes as long as to write them.
    _, identity, experiment, name, user, status, stage, location, started, ended, *_ = row
    identity = quoted(identity)
    end = "" if ended is None else f',"end_time":{ended}'
    return (
        f'{{"run_uuid":{identity},"run_id":{identity},"run_name":{quoted(name)},"experiment_id":"{experiment}",'
        f'"user_id":{quoted(user)},"status":{quoted(status)},"start_time":{started},'
        f'"artifact_uri":{quoted(location)},"lifecycle_stage":{quoted(stage)}{end}}}'
    )


def _metrics(points: Iterable[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    begun: dict[str, str] = {}
    for run, key, value, nan, timestamp, step in points:
        start = begun.get(key)
        if start is None:
            start = begun[key] = f'{{"key":{quoted(key)},"value":'
        if nan:
            found[run].append(f'{start}"NaN","timestamp":{timestamp},"step":{step}}}')
        else:  # a float of the table, written as Python writes it
            found[run].append(f'{start}{value!r},"timestamp":{timestamp},"step":{step}}}')
    return found


def _pairs(rows: Iterable[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    begun: dict[str, str] = {}
    for run, key, value in rows:
        start = begun.get(key)
        if start is None:
            start = begun[key] = f'{{"key":{quoted(key)},"value":'
        found[run].append(f"{start}{quoted(value)}}}")
    return found


def _grouped(rows: Iterable[tuple[int, Any]]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for run, item in rows:
        found[run].append(item)
    return found


def _files(read: list[DatasetInput], links: list[ModelLink]) -> tuple[str, str]:
    inputs, outputs = inputs_entity(read, links), outputs_entity(links)
    return json.dumps(inputs, ensure_ascii=False), json.dumps(outputs, ensure_ascii=False)
