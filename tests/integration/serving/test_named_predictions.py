"""`/predict` and `/outcomes`: rows by column name, and the truth that comes later."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest

from flyball.core.clock import SystemClock
from flyball.predictions import PredictionLog
from flyball.serving import Limits, Served, serving_app

ROW = {"Air temperature [K]": 298.1, "flag": True, "ts": "2026-01-02T03:04:05Z", "Type": "L"}
ROWS = [ROW, {**ROW, "Type": None, "flag": None}, {**ROW, "Air temperature [K]": 7, "extra": {"ignored": []}}]


def table(rows):
    return {name: [row[name] for row in rows] for name in ROW}


@pytest.mark.parametrize("name", ["machines", "grades", "flags", "load"])
def test_rows_columns_lists_and_a_bare_row_get_the_bundles_answer(ask, bundles, name):
    expected = bundles[name].score(table(ROWS))
    asked = [{"rows": ROWS}, {"columns": table(ROWS)}, ROWS]
    answers = [ask("POST", f"/predict/{name}", json=body).json() for body in asked]
    bare = ask("POST", f"/predict/{name}", json=ROW).json()
    for answer in answers:
        assert (answer["model"], answer["version"], answer["alias"]) == (name, 3, "production")
        assert [p["prediction"] for p in answer["predictions"]] == expected["prediction"].tolist()
        assert len({p["id"] for p in answer["predictions"]}) == 3
        assert [set(p) - {"id"} for p in answer["predictions"]] == [set(expected)] * 3
    assert bare["predictions"][0]["prediction"] == expected["prediction"][0].item() if name != "machines" else True
    if name == "load":
        assert [p["low"] for p in answers[0]["predictions"]] == expected["low"].tolist()
    else:
        keys = {"machines": ["no", "yes"], "grades": ["1", "2", "5"], "flags": ["false", "true"]}[name]
        for row, said in enumerate(answers[0]["predictions"]):
            assert said["probability"] == dict(zip(keys, expected["probability"][row].tolist(), strict=True))


def test_class_sets_are_named_in_answers_and_kept_in_the_log(ask, bundles, log):
    assert not bundles["machines"].scorer.has_sets
    expected = bundles["sets"].score(table(ROWS))["in_set"]
    said = ask("POST", "/predict/sets", json={"rows": ROWS}).json()["predictions"]
    named = [[name for name, held in zip("abc", row, strict=True) if held] for row in expected.tolist()]
    assert [one["set"] for one in said] == named
    assert len({tuple(row) for row in named}) > 1
    assert all("in_set" not in one for one in said)
    logged = log.find([one["id"] for one in said])
    assert [logged[one["id"]].prediction.outputs["in_set"] for one in said] == expected.tolist()
    listed = {model["name"]: model["outputs"] for model in ask("GET", "/").json()["models"]}
    assert listed["sets"] == ["prediction", "probability", "in_set"]
    assert listed["grades"] == ["prediction", "probability"]


def test_what_was_answered_is_in_the_log_without_its_personal_columns(ask, log):
    answer = ask("POST", "/predict/machines", json={"rows": ROWS}).json()
    ids = [said["id"] for said in answer["predictions"]]
    logged = log.find(ids)
    assert set(logged) == set(ids)
    first = logged[ids[0]].prediction
    assert dict(first.inputs) == {"Air temperature [K]": 298.1, "flag": 1.0, "ts": 1767323045000000}
    assert first.outputs["prediction"] == answer["predictions"][0]["prediction"]
    assert (first.model, first.version, first.alias) == ("machines", 3, "production")
    assert logged[ids[1]].prediction.inputs["flag"] is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "lacks the column"),
        ([], "no rows"),
        ({"rows": []}, "no rows"),
        ({"rows": [3]}, "row 0 is not an object"),
        ({"rows": [*ROWS[:1], {**ROW, "tipe": 1}], "x": 1}, None),
        (
            {"rows": [ROW, {k: v for k, v in ROW.items() if k != "Type"} | {"Typ": "L"}]},
            'row 1 lacks the column "Type"',
        ),
        ({"rows": [{**ROW, "Type": ["L"]}]}, 'column "Type", row 0'),
        ({"rows": [ROW, {**ROW, "flag": {}}]}, 'column "flag", row 1'),
        ({"rows": [{**ROW, "Air temperature [K]": "warm"}]}, "Air temperature [K]"),
        ({"rows": [{**ROW, "Air temperature [K]": 10**400}]}, "too large"),
        ({"rows": [{**ROW, "Air temperature [K]": "1", "Type": 10**400}]}, "too large"),
        ({"rows": [{**ROW, "ts": "soon"}]}, "ts"),
        ({"rows": [{**ROW, "Type": "\udc00"}]}, "not valid Unicode"),
        ({"columns": {**table(ROWS), "flag": [1]}}, "differ in length"),
        ({"columns": {**table(ROWS), "flag": 1}}, "not a list"),
        ({"columns": {"flag": [1]}}, "lacks the column"),
        ({"columns": {name: [] for name in ROW}}, "no rows"),
        ("text", "must be a row"),
        (None, "must be a row"),
    ],
)
def test_a_body_that_cannot_be_scored_is_refused_with_a_reason(ask, body, says):
    answer = ask("POST", "/predict/machines", content=json.dumps(body).encode())
    if says is None:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 400
        assert says in answer.json()["error"]


def test_a_server_with_several_models_asks_for_the_name_and_one_with_one_does_not(ask, served, log):
    assert "/predict/grades" in ask("POST", "/predict", json=ROW).json()["error"]
    app = serving_app({"load": served["load"]}, log, SystemClock())
    assert ask("POST", "/predict", json=ROW, app=app).json()["model"] == "load"


def test_the_front_page_tells_what_is_served(ask):
    answer = ask("GET", "/").json()
    assert [model["name"] for model in answer["models"]] == ["machines", "grades", "flags", "load", "sets"]
    assert answer["models"][1]["classes"] == ["1", "2", "5"]
    assert answer["models"][0]["inputs"][0]["unit"] == "K"
    assert ask("GET", "/healthz").json() == {"live": True}
    assert ask("GET", "/readyz").json()["ready"] is True


def test_a_server_without_models_is_not_ready(ask, log):
    app = serving_app({}, log, SystemClock())
    assert ask("GET", "/readyz", app=app).status_code == 503
    assert ask("POST", "/predict", json=ROW, app=app).status_code == 404


def asked_ids(ask, name, rows=1):
    answer = ask("POST", f"/predict/{name}", json={"rows": [ROW] * rows}).json()
    return [said["id"] for said in answer["predictions"]]


def test_the_truth_is_told_by_id_and_kept_in_the_classes_own_type(ask, log):
    (one,) = asked_ids(ask, "grades")
    said = {"id": one, "value": "5", "time": "2026-02-01T00:00:00+01:00", "source": "exam"}
    answer = ask("POST", "/outcomes", json=said)
    assert answer.status_code == 200
    assert answer.json()["recorded"] == 1
    outcome = log.find([one])[one].outcome
    assert (outcome.value, type(outcome.value), outcome.source) == (5, int, "exam")
    assert outcome.time == datetime(2026, 1, 31, 23, tzinfo=UTC)
    first, second = asked_ids(ask, "flags", 2)
    assert (
        ask("POST", "/outcomes", json=[{"id": first, "value": True}, {"id": second, "value": "false"}]).status_code
        == 200
    )
    assert [log.find([i])[i].outcome.value for i in (first, second)] == [True, False]


@pytest.mark.parametrize(
    ("model", "value", "status"),
    [
        ("machines", "yes", 200), ("machines", "Yes", 400), ("machines", 1, 400), ("machines", None, 400),
        ("grades", 2.0, 200), ("grades", 7, 200), ("grades", "seven", 400), ("grades", True, 400),
        ("flags", False, 200), ("flags", 2, 400),
        ("load", 3, 200), ("load", -2.5, 200), ("load", "3", 400), ("load", True, 400), ("load", float("nan"), 400),
        ("load", 10**400, 400), ("load", [3], 400), ("load", {}, 400),
    ],
)  # fmt: skip
def test_an_outcome_must_be_one_that_the_prediction_could_have(ask, log, model, value, status):
    (one,) = asked_ids(ask, model)
    answer = ask("POST", "/outcomes", content=json.dumps({"id": one, "value": value}).encode())
    assert answer.status_code == status
    assert (log.find([one])[one].outcome is not None) == (status == 200)
    assert status == 200 or answer.json()["code"] == "FB-PREDICT-004"


@pytest.mark.parametrize(
    "change",
    [
        {"source": "\ud800"},
        {"id": "\ud800"},
        {"id": 3},
        {"id": ""},
        {"vale": 1},
        {"time": "2026-01-01"},
        {"time": 3},
        {"time": "noon"},
        {"source": 1},
    ],
)
def test_a_malformed_outcome_is_refused(ask, change):
    (one,) = asked_ids(ask, "load")
    content = json.dumps({"id": one, "value": 1, **change}).encode()
    assert ask("POST", "/outcomes", content=content).status_code == 400
    assert ask("POST", "/outcomes", json=[]).status_code == 400
    assert ask("POST", "/outcomes", json=["x"]).status_code == 400


def test_an_outcome_for_an_unknown_id_is_404_and_none_of_its_list_is_kept(ask, log):
    (one,) = asked_ids(ask, "load")
    answer = ask("POST", "/outcomes", json=[{"id": one, "value": 1}, {"id": "pred_never", "value": 1}])
    assert answer.status_code == 404
    assert answer.json()["code"] == "FB-PREDICT-003"
    assert log.find([one])[one].outcome is None


def test_a_prediction_that_cannot_be_logged_is_not_given(ask, served, store):
    closed = PredictionLog(store)
    closed.close()
    answer = ask("POST", "/predict/load", json=ROW, app=serving_app(served, closed, SystemClock()))
    assert answer.status_code == 503
    assert answer.json()["code"] == "FB-SERVE-017"
    assert "predictions" not in answer.json()


def test_an_unforeseen_failure_is_a_coded_500_without_its_details(ask, served, log, caplog):
    class Broken:
        inputs = served["load"].schema
        classes = None
        manifest = served["load"].bundle.manifest
        windowed = None

        def score(self, columns):
            raise ZeroDivisionError("secret detail")

    app = serving_app({"load": Served(Broken(), "load", 1)}, log, SystemClock())
    answer = ask("POST", "/predict", json=ROW, app=app)
    assert answer.status_code == 500
    assert answer.json()["code"] == "FB-SERVE-018"
    assert "secret" not in answer.text
    assert "secret detail" in caplog.text


def test_many_clients_at_once_each_get_their_own_answer_and_log_entry(served, log):
    app = serving_app(served, log, SystemClock())

    async def go():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            rows = [{**ROW, "Air temperature [K]": float(i)} for i in range(60)]
            return await asyncio.gather(*(client.post("/predict/load", json=row) for row in rows))

    answers = asyncio.run(go())
    said = [answer.json()["predictions"][0] for answer in answers]
    logged = log.find(p["id"] for p in said)
    for number, prediction in enumerate(said):
        record = logged[prediction["id"]].prediction
        assert record.inputs["Air temperature [K]"] == float(number)
        assert record.outputs["prediction"] == prediction["prediction"]


def test_a_body_beyond_the_limit_is_413_plain_or_compressed(ask, served, log):
    app = serving_app(served, log, SystemClock(), limits=Limits(body_bytes=1000))
    for size in (1001, 3000, 100_000):
        answer = ask("POST", "/predict/load", content=b" " * size, app=app)
        assert answer.status_code == 413
        assert "1,000 bytes" in answer.json()["error"]
    import gzip

    bomb = gzip.compress(b" " * 10_000_000)[:900]
    headers = {"content-encoding": "gzip"}
    assert ask("POST", "/predict/load", content=bomb, headers=headers, app=app).status_code == 413


def test_a_body_that_trickles_is_408(ask, served, log):
    app = serving_app(served, log, SystemClock(), limits=Limits(body_seconds=0.05))

    async def slow():
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    assert ask("POST", "/predict/load", content=slow(), app=app).status_code == 408


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict/load", lambda rows: {"rows": [ROW] * rows}),
        ("/predict/load", lambda rows: [ROW] * rows),
        ("/predict/load", lambda rows: {"columns": table([ROW] * rows)}),
        ("/outcomes", lambda rows: [{"id": "pred_never", "value": 1}] * rows),
    ],
)
def test_more_rows_than_the_limit_are_refused_before_anything_is_built(ask, served, log, path, body):
    app = serving_app(served, log, SystemClock(), limits=Limits(rows=3))
    refused = ask("POST", path, json=body(4), app=app)
    assert (refused.status_code, refused.json()["code"]) == (413, "FB-SERVE-020")
    assert "at most 3" in refused.json()["error"]
    assert ask("POST", path, json=body(3), app=app).status_code == (404 if path == "/outcomes" else 200)


def test_ten_thousand_rows_are_the_limit_unless_somebody_says_otherwise(ask):
    assert Limits().rows == 10_000
    refused = ask("POST", "/outcomes", json=[{"id": "x", "value": 1}] * 10_001)
    assert refused.status_code == 413 and "10,000" in refused.json()["error"]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_outside_the_calendar_in_utc_is_refused_and_the_log_stays_readable(ask, log, time):
    one = ask("POST", "/predict/load", json=ROW).json()["predictions"][0]["id"]
    refused = ask("POST", "/outcomes", json={"id": one, "value": 3, "time": time})
    assert (refused.status_code, refused.json()["code"]) == (400, "FB-PREDICT-004")
    assert log.find([one])[one].outcome is None


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T14:00:00+14:00"])
def test_the_first_and_the_last_moment_of_the_calendar_are_kept(ask, log, time):
    one = ask("POST", "/predict/load", json=ROW).json()["predictions"][0]["id"]
    told = ask("POST", "/outcomes", json={"id": one, "value": 3, "time": time})
    assert told.status_code == 200
    kept = log.find([one])[one].outcome
    assert kept.time == datetime.fromisoformat(told.json()["outcomes"][0]["time"]) == datetime.fromisoformat(time)
