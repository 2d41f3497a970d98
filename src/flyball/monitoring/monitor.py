"""The watch over the prediction log: each window of a version judged once, and what follows from it written down."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, func, select

from flyball.config import MonitorConfig
from flyball.core.canonical import sha256_hex
from flyball.core.clock import Clock, rfc3339
from flyball.ledger import Actor
from flyball.monitoring.alerts import raise_or_fold
from flyball.monitoring.baseline import load_baseline
from flyball.monitoring.judging import Baseline, Judgement, judge_window
from flyball.monitoring.tables import windows
from flyball.monitoring.watched import score_columns
from flyball.predictions.stretch import Place, Stretch, count_rows, read_stretch, versions_since
from flyball.registry import Registry
from flyball.store import Reader, StoreDamaged
from flyball_runtime.schema import Schema

__all__ = ["JudgedWindow", "Monitor", "Waiting"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_ROWS = 20_000
_SETTLE_US = 200_000  # a row carries the time at which it was asked, and is written a moment later


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """A window of one version that was judged: its number (from 1), its time (RFC 3339), and what it showed.

    `statistics` holds the judgement with every column; `alert` is the alert that it raised or was folded into.
    """

    model: str
    version: int
    number: int
    start: str
    end: str
    rows: int
    verdict: str
    p: float | None
    level: float
    alert: int | None
    statistics: Mapping[str, Any]
    judged: str

    @classmethod
    def from_row(cls, row: RowMapping) -> JudgedWindow:
        """Raises StoreDamaged when what stands in the row is not what was written."""
        try:
            statistics = json.loads(row["statistics"])
        except ValueError:
            statistics = None
        if not isinstance(statistics, dict):
            raise StoreDamaged(
                "a row of the windows is damaged",
                where=f"window {row['number']} of {row['model']}@{row['version']}",
                fix="restore a backup; the alerts that windows raised stand in the ledger too",
            )
        return cls(
            row["model"], row["version"], row["number"], _moment(row["start"]), _moment(row["end"]), row["rows"],
            row["verdict"], row["p"], row["level"], row["alert"], statistics, _moment(row["judged"]),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "version": self.version,
            "number": self.number,
            "start": self.start,
            "end": self.end,
            "rows": self.rows,
            "verdict": self.verdict,
            "p": self.p,
            "level": self.level,
            "alert": self.alert,
            "judged": self.judged,
            **{name: self.statistics.get(name) for name in ("why", "reference", "reference_rows", "columns")},
        }


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows of a version that no full window holds yet. wanted: rows of a window, None when it ends by time.

    late: rows that came into the log after the window of their time was judged, or were passed over; in no window.
    """

    version: int
    rows: int
    wanted: int | None
    late: int

    def to_dict(self) -> dict[str, Any]:
        return {"version": self.version, "rows": self.rows, "wanted": self.wanted, "late": self.late}


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """A window of the log: the rows to judge (of very many, a part), how many it holds, where it begins and ends."""

    stretch: Stretch
    rows: int
    start: int
    end: Place


class Monitor:
    """Watches one model. Threads and processes may judge at once: a window is judged by whoever comes first.

    A window's row and what it adds to the ledger are one transaction, so a crash leaves it judged or not judged.
    """

    def __init__(self, registry: Registry, clock: Clock, model: str, *, settings: MonitorConfig, actor: Actor) -> None:
        self._registry, self._ledger, self._clock = registry, registry.ledger, clock
        self._database = registry.database
        self._model, self._settings, self._actor = model, settings, actor
        self._baselines: dict[int, tuple[Baseline, Schema, Mapping[str, Any]]] = {}

    def judge(self, since: datetime) -> Iterator[JudgedWindow]:
        """Judge what is complete and was not judged yet, of rows asked at `since` or later; each window as it is done."""
        for version in versions_since(self._database, self._model, _microseconds(since)):
            while (judged := self._judge_next(version, _microseconds(since))) is not None:
                yield judged

    def waiting(self, since: datetime) -> list[Waiting]:
        """What lies in the log beyond the last windows."""
        now, begin = _microseconds(self._clock.now()) + 1, _microseconds(since)
        wanted = None if self._settings.every else self._settings.rows
        result = []
        for version in versions_since(self._database, self._model, begin):
            with self._database.read() as reader:
                place, _ = self._place(reader, version, begin)
                late = self._late(reader, version, begin)
            rows = count_rows(self._database, self._model, version, after=place, before=now)
            result.append(Waiting(version, rows, wanted, late))
        return result

    def windows(self, since: datetime, *, version: int | None = None, limit: int = 1000) -> list[JudgedWindow]:
        """Windows that ended since a time, newest first."""
        query = select(windows).where(windows.c.model == self._model, windows.c.end >= _microseconds(since))
        if version is not None:
            query = query.where(windows.c.version == version)
        query = query.order_by(windows.c.end.desc(), windows.c.version.desc(), windows.c.number.desc()).limit(limit)
        with self._database.read() as reader:
            return [JudgedWindow.from_row(row) for row in reader.execute(query).mappings()]

    # -- inside

    def _judge_next(self, version: int, since: int) -> JudgedWindow | None:
        while True:
            with self._database.read() as reader:
                place, number = self._place(reader, version, since)
            cut = self._cut(version, place)
            if cut is None:
                return None
            stored = self._store(version, number, cut, self._judgement(version, number + 1, cut.stretch))
            if stored is not None:
                return stored
            # Somebody else judged this window meanwhile: go on behind it.

    def _place(self, reader: Reader, version: int, since: int) -> tuple[Place, int]:
        """Where the next window begins, and the number of the last one."""
        query = (
            select(windows.c.end, windows.c.last, windows.c.number)
            .where(windows.c.model == self._model, windows.c.version == version)
            .order_by(windows.c.number.desc())
            .limit(1)
        )
        row = reader.execute(query).first()
        if row is None:
            return Place(since), 0
        return max(Place(since), Place(row.end, row.last)), row.number

    def _cut(self, version: int, place: Place) -> _Cut | None:
        """The next window that is complete."""
        settled = _microseconds(self._clock.now()) - _SETTLE_US
        if self._settings.every is None:
            stretch = self._read(version, place, settled + 1, self._settings.rows)
            if stretch.rows < self._settings.rows:
                return None
            return _Cut(stretch, stretch.rows, int(stretch.times[0]), stretch.place)
        first = self._read(version, place, settled + 1, 1)
        if not first.rows:
            return None
        length = round(self._settings.every * 1_000_000)
        start = int(first.times[0]) // length * length
        end = start + length
        if end > settled:
            return None
        rows = count_rows(self._database, self._model, version, after=place, before=end)
        one_in = -(-rows // _MOST_ROWS)
        return _Cut(self._read(version, place, end, _MOST_ROWS, one_in=one_in), rows, start, Place(end))

    def _read(self, version: int, after: Place, before: int, limit: int, *, one_in: int = 1) -> Stretch:
        return read_stretch(
            self._database, self._model, version, after=after, before=before, limit=limit, one_in=one_in
        )

    def _judgement(self, version: int, number: int, stretch: Stretch) -> Judgement:
        settings = self._settings
        baseline, schema, evidence = self._baseline(version)
        seed = int(sha256_hex(f"{self._model}@{version} {number}".encode())[:12], 16)
        scores = None
        if stretch.outputs_of("prediction") is not None:
            outputs = {name: stretch.outputs_of(name) for name in ("prediction", "probability")}
            if evidence["classes"] is None or outputs["probability"] is not None:
                scores = score_columns(outputs, evidence["classes"], evidence["positive_class"])
        return judge_window(
            baseline, stretch.columns(schema), scores, level=settings.budget.level, fewest=settings.fewest, seed=seed
        )

    def _baseline(self, version: int) -> tuple[Baseline, Schema, Mapping[str, Any]]:
        if version not in self._baselines:
            known = self._registry.version(self._model, version)
            baseline, schema = load_baseline(self._registry, known)
            self._baselines[version] = baseline, schema, self._registry.evidence(known)
        return self._baselines[version]

    def _store(self, version: int, number: int, cut: _Cut, judgement: Judgement) -> JudgedWindow | None:
        """Write the window with what follows from it; None when another process has judged it meanwhile."""
        ref = f"{self._model}@{version}"
        start, end = _moment(cut.start), _moment(cut.end.time)
        about = {"number": number + 1, "start": start, "end": end, "rows": cut.rows}
        with self._database.write("monitoring.window") as tx:
            query = select(func.max(windows.c.number)).where(
                windows.c.model == self._model, windows.c.version == version
            )
            if (tx.execute(query).scalar_one() or 0) != number:
                return None
            alert = None
            if judgement.verdict == "alarm":
                alert, _ = raise_or_fold(
                    tx, self._ledger, judgement, ref=ref, window=about, budget=self._settings.budget.text,
                    actor=self._actor,
                )  # fmt: skip
            row = {
                "model": self._model, "version": version, "number": number + 1, "start": cut.start, "end": cut.end.time,
                "last": cut.end.id, "rows": cut.rows, "verdict": judgement.verdict, "p": judgement.p,
                "level": judgement.level, "alert": alert, "statistics": json.dumps(judgement.to_dict()),
                "judged": _microseconds(self._clock.now()),
            }  # fmt: skip
            tx.execute(windows.insert(), row)
        return JudgedWindow.from_row(row)  # type: ignore[arg-type]  # a mapping with the row's names

    def _late(self, reader: Reader, version: int, since: int) -> int:
        """Rows between the first and the last window that began since then, which none of them holds."""
        mine = windows.c.model == self._model, windows.c.version == version, windows.c.start >= since
        first = reader.execute(select(func.min(windows.c.start)).where(*mine)).scalar_one()
        if first is None:
            return 0
        held = int(reader.execute(select(func.sum(windows.c.rows)).where(*mine)).scalar_one())
        last, _ = self._place(reader, version, 0)
        there = count_rows(self._database, self._model, version, after=Place(first), before=last.time + 1)
        beyond = count_rows(self._database, self._model, version, after=last, before=last.time + 1)
        return max(0, there - beyond - held)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(microseconds: int) -> str:
    return rfc3339(_EPOCH + timedelta(microseconds=microseconds))
