"""A model that looks back over HTTP: both protocols, what an answer says of its past, and what a failure leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from flyball.core.clock import SystemClock
from flyball.predictions import PredictionLog
from flyball.serving import Served, serving_app
from flyball.serving.asgi import App
from flyball.sessions import Stream
from flyball.store.database import Database
from support.looking_back import COLUMNS, columns_of, looking_back, rows_of

BUNDLE = looking_back()
Send = Callable[[App, list[tuple[str, Any]]], list[httpx.Response]]


@pytest.fixture
def stream(store: Database, request: pytest.FixtureRequest) -> Iterator[Stream]:
    opened = Stream.open(store, BUNDLE, request.node.name, 1, most=50)
    yield opened
    opened.close()


@pytest.fixture
def app(stream: Stream, log: PredictionLog, request: pytest.FixtureRequest) -> App:
    served = Served(BUNDLE, request.node.name, 1, "production", stream=stream)
    return serving_app({"engines": served}, log, SystemClock())


def post(app: App, requests: list[tuple[str, Any]]) -> list[httpx.Response]:
    """Bodies sent one after the other; those of one element that is a list at once."""

    async def go() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.post(path, json=body) for path, body in requests]

    return asyncio.run(go())


def tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds = {"text": "BYTES", "number": "FP64"}
    return [
        {
            "name": c["name"],
            "datatype": kinds[str(c["kind"])],
            "shape": [len(rows)],
            "data": [r[c["name"]] for r in rows],
        }
        for c in COLUMNS
    ]


def test_both_protocols_go_on_with_one_past(app: App) -> None:
    rows = [row for row in rows_of(4, 60) if row["cycle"] is not None]
    expected = BUNDLE.session().push(columns_of(rows))["prediction"].tolist()
    named, infer, bare = post(
        app,
        [
            ("/predict", {"rows": rows[:20]}),
            ("/v2/models/engines/infer", {"id": "r", "inputs": tensors(rows[20:40])}),
            ("/predict/engines", rows[40]),
        ],
    )
    told = named.json()["predictions"]
    assert [one["prediction"] for one in told] == expected[:20]
    assert set(told[0]) == {"id", "prediction", "low", "high", "history", "arrival"}
    answer = infer.json()
    assert next(o for o in answer["outputs"] if o["name"] == "prediction")["data"] == expected[20:40]
    parameters = answer["parameters"]
    assert {len(value.split(",")) for value in parameters.values()} == {20}
    assert set(parameters) == {"prediction_ids", "history_rows", "history_complete", "arrival"}
    assert set(parameters["history_complete"].split(",")) <= {"true", "false"}
    assert bare.json()["predictions"][0]["prediction"] == expected[40]


def test_an_answer_that_cannot_be_logged_leaves_no_past(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"unit": "a", "cycle": cycle, "heat": cycle, "mode": "run"} for cycle in range(5)]
    write = Database.write
    assert post(app, [("/predict", rows[:2])])[0].status_code == 200
    monkeypatch.setattr(Database, "write", lambda *_: 1 / 0)
    refused = post(app, [("/predict", rows[2:4])])[0]
    assert (refused.status_code, refused.json()["code"]) == (503, "FB-SERVE-017")
    monkeypatch.setattr(Database, "write", write)
    told = post(app, [("/predict", rows[2:])])[0].json()["predictions"]
    assert [one["arrival"] for one in told] == ["new"] * 3
    assert [one["prediction"] for one in told] == BUNDLE.session().push(columns_of(rows))["prediction"][2:].tolist()


def test_a_row_that_cannot_be_read_is_refused_and_changes_nothing(app: App) -> None:
    good = {"unit": "a", "cycle": 1, "heat": 2.0, "mode": "run"}
    refused, answered = post(app, [("/predict", [good, good | {"heat": []}]), ("/predict", good)])
    assert refused.json()["code"] == "FB-SERVE-005"
    assert answered.json()["predictions"][0] | {"id": ""} == {
        "id": "", "prediction": 2.0 + 2.0, "low": 3.0, "high": 5.0, "arrival": "new",
        "history": {"rows": 0, "complete": False},
    }  # fmt: skip


def test_what_is_asked_what_if_is_in_no_past(app: App, log: PredictionLog, request: pytest.FixtureRequest) -> None:
    rows = [{"unit": unit, "cycle": cycle, "heat": cycle, "mode": "run"} for cycle in range(4) for unit in "ab"]
    other = [{**row, "heat": 99.0} for row in [*rows[4:], {"unit": "c", "cycle": 1, "heat": 1, "mode": "run"}]]
    _, asked, inferred, answered, wrong = post(
        app,
        [
            ("/predict", {"rows": rows[:4]}),
            ("/predict", {"rows": other, "remember": False}),
            ("/v2/models/engines/infer", {"inputs": tensors(other), "parameters": {"remember": False}}),
            ("/predict", {"rows": rows[4:]}),
            ("/predict", {"rows": rows, "remember": "no"}),
        ],
    )
    told = asked.json()["predictions"]
    expected = BUNDLE.session().push(columns_of([*rows[:4], *other]))["prediction"].tolist()[4:]
    assert [one["prediction"] for one in told] == expected
    assert next(o for o in inferred.json()["outputs"] if o["name"] == "prediction")["data"] == expected
    expected = BUNDLE.session().push(columns_of(rows))["prediction"].tolist()[4:]
    assert [one["prediction"] for one in answered.json()["predictions"]] == expected
    assert wrong.json()["code"] == "FB-SERVE-009"
    assert len(log.read(request.node.name)) == 4 + 5 + 5 + 4


def test_entities_beyond_the_most_are_refused(app: App) -> None:
    rows = [{"unit": f"unit {number}", "cycle": 1, "heat": 1, "mode": None} for number in range(51)]
    answered, refused = post(app, [("/predict", rows[:50]), ("/predict", rows[50])])
    assert answered.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (507, "FB-PAST-003")


def test_many_requests_at_once_each_have_their_turn(
    app: App, log: PredictionLog, request: pytest.FixtureRequest
) -> None:
    """However they fall, the log tells in which order they were answered, and the answers are those of that order."""

    async def go() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            rows = [{"unit": "a", "cycle": cycle, "heat": cycle, "mode": "run"} for cycle in range(60)]
            answers = await asyncio.gather(*(client.post("/predict", json=row) for row in rows))
            told = [answer.json()["predictions"][0] for answer in answers]
            assert [one["arrival"] for one in told] == ["new"] * 60  # one thread takes them as they come
            expected = BUNDLE.session().push(columns_of(rows))["prediction"].tolist()
            assert [one["prediction"] for one in told] == expected

    asyncio.run(go())
    assert len(log.read(request.node.name)) == 60
