"""Reading runs by column: from a server, or from anything that answers as one does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from flyball.client.columns import Columns, joined, points_table, runs_table
from flyball.client.errors import NoServer
from flyball.client.sending import Sender, Unreachable

__all__ = ["RunReader", "RunSource", "ServedRuns"]

_RUNS, _POINTS = 1000, 50_000


class RunSource(Protocol):
    """Pages of runs and of points, in the form that `GET /api/v1/runs/columns` and `/runs/points` answer."""

    def runs(
        self, where: str = "", order: Sequence[str] = (), *, limit: int, offset: int = 0, upto: int | None = None
    ) -> Mapping[str, Any]:
        """A page of the runs that a query finds."""

    def points(
        self, where: str = "", keys: Sequence[str] = (), *, limit: int, after: str | None = None
    ) -> Mapping[str, Any]:
        """A page of the history of metrics."""


class RunReader:
    """Tables of the runs of a tracking server or of a store.

    source: the URL of `flyball server`, or a store's own `project.tracking.bulk`. Queries are those of `flyball runs`:
    `metrics.auc > 0.8 AND (params.model = 'tree' OR NOT tags.stage IN ('draft'))`. Raises FlyballError with what is wrong
    with a query; NoServer when the server does not answer.

    >>> from flyball.client import RunReader
    >>> table = RunReader("http://127.0.0.1:5000").runs("metrics.auc > 0.8", order=["metrics.auc DESC"])  # doctest: +SKIP
    >>> table["id"][0], table["metrics.auc"][0]  # doctest: +SKIP
    ('3f0c…', 0.93)
    """

    def __init__(self, source: str | RunSource) -> None:
        self._source: RunSource = ServedRuns(source) if isinstance(source, str) else source

    def runs(self, where: str = "", *, order: Sequence[str] = (), limit: int | None = None) -> Columns:
        """The runs that a query finds, newest first by default, at most `limit`, in one table."""
        return joined(self.run_pages(where, order=order, limit=limit))

    def run_pages(
        self, where: str = "", *, order: Sequence[str] = (), limit: int | None = None, page: int = _RUNS
    ) -> Iterator[Columns]:
        """As `runs`, in tables of at most `page` rows (1 to 1000), so that memory is bounded by one of them."""
        offset, upto, left = 0, None, limit
        while left is None or left > 0:
            size = page if left is None else min(page, left)
            found = self._source.runs(where, order, limit=size, offset=offset, upto=upto)
            yield runs_table(found)
            if found["next"] is None:
                return
            offset, upto = int(found["next"]), int(found["upto"])
            left = None if left is None else left - int(found["rows"])

    def points(self, where: str = "", keys: Sequence[str] = ()) -> Columns:
        """Every point of the metrics `keys` (none: all) of the runs that a query finds, in one table."""
        return joined(self.point_pages(where, keys))

    def point_pages(self, where: str = "", keys: Sequence[str] = (), *, page: int = _POINTS) -> Iterator[Columns]:
        """As `points`, in tables of at most `page` rows (1 to 100,000)."""
        after = None
        while True:
            found = self._source.points(where, keys, limit=page, after=after)
            yield points_table(found)
            after = found["next"]
            if after is None:
                return


class ServedRuns:
    """The runs of a server at a URL; token and user name as `fb.track()` takes them from the environment."""

    def __init__(self, url: str) -> None:
        self._sender = Sender(url)

    def runs(
        self, where: str = "", order: Sequence[str] = (), *, limit: int, offset: int = 0, upto: int | None = None
    ) -> Mapping[str, Any]:
        """A page of the runs that a query finds. Raises NoServer, Refusal."""
        fields = [("where", where), *(("order", one) for one in order), ("limit", limit), ("offset", offset)]
        return self._ask("columns", fields + ([] if upto is None else [("upto", upto)]))

    def points(
        self, where: str = "", keys: Sequence[str] = (), *, limit: int, after: str | None = None
    ) -> Mapping[str, Any]:
        """A page of the history of metrics. Raises NoServer, Refusal."""
        fields = [("where", where), *(("key", one) for one in keys), ("limit", limit)]
        return self._ask("points", fields + ([] if after is None else [("after", after)]))

    def _ask(self, what: str, fields: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
        try:
            return self._sender.get(f"/api/v1/runs/{what}", fields)
        except Unreachable as error:
            raise NoServer(
                "the tracking server does not answer",
                where=self._sender.url,
                why=str(error),
                fix="start it, or name another",
            ) from error
