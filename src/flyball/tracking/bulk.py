"""Runs and points of metrics by column: what analyses and tables of many runs read, without an object for each."""

from __future__ import annotations

import base64
import binascii
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, select, tuple_

from flyball.store import Database, Reader
from flyball.tracking.children import read_belongings
from flyball.tracking.errors import QueryInvalid
from flyball.tracking.records import ACTIVE
from flyball.tracking.search import runs_page
from flyball.tracking.statements import dialect_of, plain_rows
from flyball.tracking.tables import metrics, runs

__all__ = ["Bulk"]

_FIELDS = ("id", "experiment", "name", "user", "status", "started", "ended")
_RUNS_A_LOOK = 500
_POINT = (metrics.c.key, metrics.c.timestamp, metrics.c.step, metrics.c.value, metrics.c.nan)


class Bulk:
    """Reads in pages, each of them one instant of the store; memory is bounded by the page. Threads may share it.

    Answers are plain JSON values; a metric that is not a number is the text "NaN". `flyball.client.RunReader` makes
    tables of them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def runs(
        self, where: str = "", order: Sequence[str] = (), *, limit: int = 1000, offset: int = 0, upto: int | None = None
    ) -> dict[str, Any]:
        """A page of the runs that a query finds: `{"rows", "next", "upto", "run", "metrics", "params", "tags"}`.

        `run` holds a list per field; the others, by key, a list with null for runs without one, or, for keys that less
        than half of the runs have, `{"at": [row, …], "values": […]}`. For the page after this one give its `next` as
        offset, and `upto`, the number of the newest run there was: runs that begin meanwhile shift nothing. Raises
        QueryInvalid.
        """
        with self._database.read() as reader:
            if upto is None:
                upto = int(reader.execute(select(func.max(runs.c.number))).scalar_one() or 0)
            query = runs_page(
                where, order, within=None, stages=(ACTIVE,), limit=limit + 1, offset=offset,
                dialect=dialect_of(reader), plain=False,
            )  # fmt: skip
            found = reader.execute(query.where(runs.c.number <= upto)).all()
            rows = found[:limit]
            whole = read_belongings(reader, [row.number for row in rows], files=False)
        places = {row.number: place for place, row in enumerate(rows)}
        points = ((run, key, "NaN" if nan else value) for run, key, value, nan, _, _ in whole.points)
        return {
            "rows": len(rows),
            "next": offset + limit if len(found) > limit else None,
            "upto": upto,
            "run": {name: [getattr(row, name) for row in rows] for name in _FIELDS},
            "metrics": _by_key(points, places),
            "params": _by_key(whole.params, places),
            "tags": _by_key(whole.tags, places),
        }

    def points(
        self, where: str = "", keys: Sequence[str] = (), *, limit: int = 100_000, after: str | None = None
    ) -> dict[str, Any]:
        """A page of the whole history of metrics: every point of the runs that a query finds, in the order of their making.

        keys: of which metrics (none: of all). `{"runs", "keys", "run", "key", "step", "timestamp", "value", "next"}`: `run`
        and `key` are places in the first two lists, `next` (None at the end) is `after` of the next page. Within a run
        points go by key, time and step. Raises QueryInvalid.
        """
        number, place = _place(after)
        names: list[str] = []
        found: list[tuple[int, Any]] = []
        with self._database.read() as reader:
            more = True
            while more and len(found) <= limit:
                some = _numbers(reader, where, number, whole=place is not None)
                more = len(some) == _RUNS_A_LOOK
                for run, identity in some:
                    rows = _points_of(reader, run, keys, place if run == number else None, limit + 1 - len(found))
                    names += [identity] if rows and (not names or names[-1] != identity) else []
                    found += [(run, row) for row in rows]
                    if len(found) > limit:
                        break
                    number, place = run, None
        following = _token(*found[limit - 1]) if len(found) > limit else None
        return _columns(found[:limit], names, following)


def _by_key(rows: Iterable[Any], places: dict[int, int]) -> dict[str, Any]:
    """By key a list over the page's rows, or places and values where most rows have none."""
    found: dict[str, dict[int, Any]] = defaultdict(dict)
    for run, key, value in rows:
        found[key][places[run]] = value
    return {key: _spread(found[key], len(places)) for key in sorted(found)}


def _spread(found: dict[int, Any], rows: int) -> Any:
    if 2 * len(found) < rows:
        return {"at": list(found), "values": list(found.values())}
    return [found.get(place) for place in range(rows)]


def _numbers(reader: Reader, where: str, after: int, *, whole: bool) -> list[tuple[int, str]]:
    """Runs by number from `after` on, itself among them with `whole`: (number, id) of some."""
    query = runs_page(
        where, (), within=None, stages=(ACTIVE,), limit=_RUNS_A_LOOK, offset=0, dialect=dialect_of(reader), plain=False
    )
    bound = runs.c.number >= after if whole else runs.c.number > after
    query = query.with_only_columns(runs.c.number, runs.c.id).where(bound).order_by(None).order_by(runs.c.number)
    return [(row.number, row.id) for row in reader.execute(query)]


def _points_of(reader: Reader, run: int, keys: Sequence[str], after: Sequence[Any] | None, most: int) -> list[Any]:
    query = select(*_POINT).where(metrics.c.run == run)
    if keys:
        query = query.where(metrics.c.key.in_(list(keys)))
    if after is not None:
        query = query.where(tuple_(*_POINT) > tuple_(*after))
    return plain_rows(reader.execute(query.order_by(*_POINT).limit(most)))


def _columns(found: list[tuple[int, Any]], names: list[str], following: str | None) -> dict[str, Any]:
    kept: list[int] = []
    keys: dict[str, int] = {}
    answer: dict[str, Any] = {"runs": names, "keys": [], "run": [], "key": [], "step": [], "timestamp": [], "value": []}
    for run, (key, timestamp, step, value, nan) in found:
        if not kept or kept[-1] != run:
            kept.append(run)
        answer["run"].append(len(kept) - 1)
        answer["key"].append(keys.setdefault(key, len(keys)))
        answer["step"].append(step)
        answer["timestamp"].append(timestamp)
        answer["value"].append("NaN" if nan else value)
    return {**answer, "runs": names[: len(kept)], "keys": list(keys), "next": following}


def _token(run: int, point: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([run, *point]).encode()).decode()


def _whole(value: Any) -> int:
    """A whole number that a database can hold. Raises ValueError, TypeError, OverflowError."""
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{number} does not fit into 64 bits")
    return number


def _place(token: str | None) -> tuple[int, list[Any] | None]:
    """The run and the point that a page begins after."""
    if token is None:
        return 0, None
    try:
        run, key, timestamp, step, value, nan = json.loads(base64.urlsafe_b64decode(token))
        point = [str(key), *(_whole(number) for number in (timestamp, step)), float(value), _whole(nan)]
        return _whole(run), point
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise QueryInvalid("the place to go on from cannot be read", where=f"after={token[:100]!r}") from error
