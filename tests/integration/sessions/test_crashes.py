"""A server that is killed at the commit of an answer: what was written is known, what was not never came."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from flyball.core.clock import SystemClock
from flyball.predictions import PredictionLog
from flyball.serving import Served
from flyball.sessions import Stream
from flyball.store import Database
from flyball_runtime.errors import FlyballError
from flyball_runtime.windows import LATE, NEW, REPEATED
from support.looking_back import columns_of, looking_back, rows_of, tell

_ASKED = """
import json, sys
from pathlib import Path
from flyball.core.clock import SystemClock
from flyball.predictions import PredictionLog
from flyball.serving import Served
from flyball.sessions import Stream
from flyball.store import Database
from support.looking_back import looking_back, rows_of, tell
bundle, rows = looking_back(), json.loads(sys.argv[2])
database = Database.open("sqlite:///s.db", SystemClock(), folder=Path(sys.argv[1]))
served = Served(bundle, "engines", 1, stream=Stream.open(database, bundle, "engines", 1))
log = PredictionLog(database)
for begin in range(0, len(rows), 10):
    print(json.dumps(tell(served, log, rows[begin : begin + 10]).outputs["prediction"].tolist()), flush=True)
"""


@pytest.mark.parametrize(("point", "arrival"), [("before-commit", {NEW}), ("after-commit", {LATE, REPEATED})])
def test_a_kill_at_the_commit_leaves_all_of_a_request_or_nothing(tmp_path: Path, point: str, arrival: set[int]) -> None:
    bundle = looking_back()
    rows = [row for row in rows_of(8, 1000, units=2) if row["cycle"] is not None and row["unit"] is not None]
    moments: dict[str, float] = {}
    rising = []
    for row in rows:  # in order, so that each row of the request in question is told by itself whether it was known
        if row["cycle"] > moments.get(row["unit"], -1):
            moments[row["unit"]] = row["cycle"]
            rising.append(row)
    rows = rising[:800]
    environment = {**os.environ, "FLYBALL_FAILPOINT": f"predictions.append:{point}#61"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    child = subprocess.run(
        [sys.executable, "-c", _ASKED, str(tmp_path), json.dumps(rows)],
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert child.returncode == -9, child.stderr
    answered = [value for line in child.stdout.splitlines() for value in json.loads(line)]
    assert len(answered) == 600
    with Database.open("sqlite:///s.db", SystemClock(), folder=tmp_path) as database, PredictionLog(database) as log:
        stream = Stream.open(database, bundle, "engines", 1)
        served = Served(bundle, "engines", 1, stream=stream)
        again = [tell(served, log, [row]) for row in rows[600:610]]
        rest = tell(served, log, rows[610:]).outputs["prediction"].tolist()
        stream.close()
    expected = bundle.session().push(columns_of(rows))["prediction"].tolist()
    assert answered == expected[:600]
    assert {int(one.standing.status[0]) for one in again if one.standing} == arrival
    assert rest == expected[610:]


def test_callers_at_once_and_writes_that_fail_leave_one_order_that_all_answers_are_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every acknowledged row is stored, none else is, and each answer is what the stored rows before it give."""
    bundle = looking_back([{"column": "heat", "aggregate": "ewm", "rows": 40}], order=None)
    chance, write = random.Random(3), Database.write

    def failing_now_and_then(self: Database, label: str) -> Any:
        if label == "predictions.append" and chance.random() < 0.2:
            raise OSError("the disk said no")
        return write(self, label)

    acknowledged: dict[float, float] = {}
    with Database.open("sqlite:///s.db", SystemClock(), folder=tmp_path) as database, PredictionLog(database) as log:
        # Two of three pasts fit into memory, so that they are read again all the time.
        stream = Stream.open(database, bundle, "engines", 1, memory=1)
        served = Served(bundle, "engines", 1, stream=stream)
        monkeypatch.setattr(Database, "write", failing_now_and_then)

        def ask(caller: int) -> None:
            own = random.Random(caller)
            for number in range(25):
                heat = caller + number / 100
                row = {"unit": own.choice("abc"), "cycle": None, "heat": heat, "mode": None}
                with contextlib.suppress(OSError, FlyballError):
                    acknowledged[heat] = float(tell(served, log, [row]).outputs["prediction"][0])

        callers = [threading.Thread(target=ask, args=(caller,)) for caller in range(1, 5)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
        monkeypatch.setattr(Database, "write", write)
        evicted = stream.counts["evicted"]
        stream.close()
        with database.read() as reader:
            query = sqlalchemy.text("SELECT entity, row FROM session_rows ORDER BY entity, number")
            stored = [json.loads(row) for _, row in reader.execute(query)]
    rows = [dict(zip(("unit", "cycle", "heat", "mode"), row, strict=True)) for row in stored]
    expected = bundle.session().push(columns_of(rows))["prediction"].tolist()
    assert 20 < len(acknowledged) < 100
    assert evicted > 0
    assert {row["heat"]: answer for row, answer in zip(rows, expected, strict=True)} == acknowledged
