"""From the prediction log to an alert in the ledger, on a project with a registered version."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete, select, update

from flyball.monitoring import AlertSettled, AlertUnknown
from flyball.monitoring.tables import alerts as alerts_table
from flyball.monitoring.tables import windows as windows_table
from flyball.predictions.tables import predictions as predictions_table
from flyball.project import Project
from flyball.store import StoreDamaged
from support.asking import NOON, HandClock, ask, gapped, open_at, requests, shifted
from support.command_line import flyball
from support.loop_trials import answer, assert_whole
from support.loop_trials import flyball as flyball_process
from support.projects import standing

SPEED = "speed [rpm]"
SIZE = "größe_µm · 寸"
WINDOW = 60
SETTINGS = f'\n[monitor.plant]\nwindow = {WINDOW}\nfewest = 30\nfalse_alarms = "1 per 200 windows"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = standing("binary").copy(tmp_path / "p")
    with (copied / "flyball.toml").open("a", encoding="utf-8") as file:
        file.write(SETTINGS)
    return copied


@pytest.fixture
def opened(folder: Path) -> Iterator[tuple[Project, HandClock]]:
    project, clock = open_at(folder)
    yield project, clock
    project.close()


def entries(project: Project) -> list[str]:
    return [entry.what for entry in project.ledger.entries(what="alert")]


def test_requests_like_the_training_data_are_healthy_and_add_nothing_to_the_ledger(opened):
    project, clock = opened
    before = project.ledger.anchor()["size"]
    for seed in range(3):
        ask(project, requests(WINDOW, seed=100 + seed))
        clock.forward(minutes=1)
    seen = project.watch()
    assert (seen.state, seen.healthy) == ("healthy", True)
    assert [window.verdict for window in seen.judged] == ["healthy"] * 3
    assert [window.number for window in seen.judged] == [1, 2, 3]
    assert {window.statistics["reference"] for window in seen.judged} == {"rows"}
    assert [column["column"] for column in seen.judged[0].statistics["columns"] if column["output"]] == ["P(1)"]
    assert project.ledger.anchor()["size"] == before
    assert project.alerts() == []


def test_a_shifted_column_raises_an_alert_that_names_it_and_the_ledger_holds(opened):
    project, clock = opened
    ask(project, requests(WINDOW, seed=1))
    clock.forward(minutes=1)
    assert project.watch().state == "healthy"
    ask(project, shifted(requests(WINDOW, seed=2), SPEED, 15.0))
    clock.forward(minutes=1)
    seen = project.watch()
    assert seen.state == "alert"
    (alert,) = seen.alerts
    assert [column["column"] for column in alert.columns] == [SPEED]
    assert "standard deviations" in alert.columns[0]["what"]
    assert (alert.ref, alert.state, alert.windows) == ("plant@1", "open", 1)
    assert alert.details["window"]["rows"] == WINDOW
    raised = project.ledger.entry(alert.number)
    assert (raised.what, raised.subject, raised.hash) == ("alert.raised", "plant@1", alert.entry)
    assert SPEED in raised.why
    assert project.registry.verify().ok
    assert project.status()["alerts"][0]["number"] == alert.number


def test_a_window_is_judged_once_and_a_repeat_is_folded_into_the_open_alert(opened):
    project, clock = opened
    for seed in range(3):
        ask(project, shifted(requests(WINDOW, seed=10 + seed), SPEED, 15.0))
        clock.forward(minutes=1)
        seen = project.watch()
        assert len(seen.judged) == 1
        assert project.watch().judged == ()
    (alert,) = seen.alerts
    assert alert.windows == 3
    assert {window.alert for window in seen.windows} == {alert.number}
    assert entries(project) == ["alert.raised"]


def test_a_second_fault_does_not_hide_behind_the_first(opened):
    project, clock = opened
    ask(project, shifted(requests(WINDOW, seed=20), SPEED, 15.0))
    clock.forward(minutes=1)
    project.watch()
    ask(project, gapped(shifted(requests(WINDOW, seed=21), SPEED, 15.0), SIZE, 0.5))
    clock.forward(minutes=1)
    (alert,) = project.watch().alerts
    assert [column["column"] for column in alert.columns] == [SPEED, SIZE]
    assert "missing in" in alert.columns[1]["what"]
    assert entries(project) == ["alert.raised", "alert.widened"]


def test_acknowledging_and_resolving_are_told_by_whom_and_why_and_a_new_change_raises_a_new_alert(opened):
    project, clock = opened
    ask(project, shifted(requests(WINDOW, seed=30), SPEED, 15.0))
    clock.forward(minutes=1)
    number = project.watch().alerts[0].number
    assert project.acknowledge_alert(number, reason="asked the plant").state == "acknowledged"
    assert project.watch().state == "alert"
    resolved = project.resolve_alert(number, reason="sensor replaced")
    assert (resolved.state, resolved.reason, resolved.actor) == ("resolved", "sensor replaced", project.actor)
    assert project.watch().state == "healthy"
    with pytest.raises(AlertSettled):
        project.resolve_alert(number, reason="again")
    with pytest.raises(AlertUnknown):
        project.acknowledge_alert(999, reason="no such")
    ask(project, shifted(requests(WINDOW, seed=31), SPEED, 15.0))
    clock.forward(minutes=1)
    (again,) = project.watch().alerts
    assert again.number > number
    assert [alert.number for alert in project.alerts(resolved=True)] == [again.number, number]
    assert entries(project) == ["alert.raised", "alert.acknowledged", "alert.resolved", "alert.raised"]


def test_the_alerts_table_follows_from_the_ledger_and_the_audit_covers_it(opened):
    project, clock = opened
    ask(project, shifted(requests(WINDOW, seed=40), SPEED, 15.0))
    clock.forward(minutes=1)
    alert = project.watch().alerts[0]
    project.acknowledge_alert(alert.number, reason="seen")
    with project.database.read() as reader:
        rows = reader.execute(select(alerts_table)).all()
    with project.database.write("test") as tx:
        tx.execute(update(alerts_table).values(state="resolved"))
    problems = project.registry.verify().problems
    assert [(problem.code, problem.where) for problem in problems] == [("FB-AUDIT-016", f"alerts {alert.number}")]
    with project.database.write("test") as tx:
        tx.execute(delete(alerts_table))
    assert project.rebuild()["rows"]["alerts"] == 1
    with project.database.read() as reader:
        assert reader.execute(select(alerts_table)).all() == rows
    assert project.registry.verify().ok


@pytest.mark.parametrize(
    ("table", "damage"),
    [
        (predictions_table, {"inputs": "{"}), (predictions_table, {"outputs": "7"}),
        (predictions_table, {"inputs": json.dumps({SPEED: "fast"})}), (alerts_table, {"details": "[]"}),
        (alerts_table, {"details": '{"moved":[{}]}'}), (windows_table, {"statistics": "{"}),
        (windows_table, {"statistics": "[]"}),
    ],
)  # fmt: skip
def test_a_row_that_somebody_damaged_is_a_coded_error(opened, table, damage):
    project, clock = opened
    ask(project, shifted(requests(WINDOW, seed=20), SPEED, 15.0))
    clock.forward(minutes=1)
    if table is not predictions_table:
        project.watch()
    with project.database.write("test.damage") as tx:
        tx.execute(update(table).values(**damage))
    with pytest.raises(StoreDamaged, match="damaged"):
        project.watch()


def test_an_alert_whose_details_were_erased_is_still_one(opened):
    project, clock = opened
    ask(project, shifted(requests(WINDOW, seed=45), SPEED, 15.0))
    clock.forward(minutes=1)
    number = project.watch().alerts[0].number
    project.ledger.erase(number, "asked to", project.actor)
    (alert,) = project.alerts()
    assert (alert.number, alert.columns, alert.severity) == (number, (), "unknown")
    assert project.registry.verify().ok
    ask(project, shifted(requests(WINDOW, seed=46), SPEED, 15.0))
    clock.forward(minutes=1)
    assert [column["column"] for column in project.watch().alerts[0].columns] == [SPEED]


def test_too_few_rows_wait_and_the_answer_says_so(opened, folder: Path):
    project, clock = opened
    seen = project.watch()
    assert (seen.state, seen.waiting) == ("not enough data", ())
    ask(project, requests(40, seed=50))
    clock.forward(minutes=1)
    seen = project.watch()
    assert (seen.state, seen.judged) == ("not enough data", ())
    assert [(item.rows, item.wanted) for item in seen.waiting] == [(40, WINDOW)]
    ask(project, requests(25, seed=51))
    clock.forward(minutes=1)
    seen = project.watch()
    assert [window.rows for window in seen.judged] == [WINDOW]
    assert seen.waiting[0].rows == 5


def test_rows_that_come_too_late_are_counted_and_disturb_nothing(opened):
    project, clock = opened
    ask(project, requests(WINDOW, seed=60))
    clock.forward(minutes=5)
    ask(project, requests(WINDOW, seed=61))
    clock.forward(minutes=1)
    assert len(project.watch().judged) == 2
    ask(project, requests(7, seed=62), at=NOON + timedelta(minutes=2))
    seen = project.watch()
    assert seen.judged == ()
    assert [(item.rows, item.late) for item in seen.waiting] == [(0, 7)]


def test_old_rows_are_passed_over_and_not_read(opened):
    project, clock = opened
    ask(project, shifted(requests(WINDOW, seed=63), SPEED, 15.0))
    clock.forward(days=8)
    ask(project, requests(WINDOW, seed=64))
    clock.forward(minutes=1)
    seen = project.watch()
    assert [window.verdict for window in seen.judged] == ["healthy"]
    assert project.watch(since="30d").judged == ()


def test_windows_by_time_end_with_the_clock(folder: Path):
    text = (folder / "flyball.toml").read_text(encoding="utf-8")
    timed = '\n[monitor.plant]\nevery = "1h"\nfewest = 30\nfalse_alarms = "1 per 30d"\n'
    (folder / "flyball.toml").write_text(text.replace(SETTINGS, timed), encoding="utf-8")
    project, clock = open_at(folder)
    for minutes, rows in ((10, 50), (20, 40), (30, 20), (45, 50)):
        clock.moment = NOON + timedelta(minutes=minutes)
        ask(project, requests(rows, seed=70 + minutes))
    assert project.watch().judged == ()
    clock.moment = NOON + timedelta(minutes=70)
    ask(project, requests(12, seed=79))
    seen = project.watch()
    assert [(window.rows, window.verdict, window.start[11:16], window.end[11:16]) for window in seen.judged] == [
        (160, "healthy", "12:00", "13:00")
    ]
    assert seen.level == pytest.approx(1 / 720)
    clock.moment = NOON + timedelta(hours=3)
    (window,) = project.watch().judged
    assert (window.rows, window.verdict) == (12, "not enough data")
    project.close()


def test_two_watchers_at_once_judge_each_window_once_and_raise_one_alert(folder: Path):
    project, clock = open_at(folder)
    for seed in range(6):
        ask(project, shifted(requests(WINDOW, seed=80 + seed), SPEED, 15.0))
        clock.forward(minutes=1)
    others = [open_at(folder, clock.moment)[0] for _ in range(3)]
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda p=other: seen.extend(w.number for w in p.watch().judged)) for other in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [1, 2, 3, 4, 5, 6]
    assert entries(project) == ["alert.raised"]
    assert project.alerts()[0].windows == 6
    assert project.registry.verify().ok
    for other in (*others, project):
        other.close()


@pytest.mark.parametrize("point", ["monitoring.window:before-commit", "monitoring.window:after-commit"])
def test_a_crash_leaves_a_window_judged_with_its_alert_or_not_judged_at_all(folder: Path, point: str):
    import datetime as dt

    project, _ = open_at(folder, dt.datetime.now(dt.UTC) - timedelta(minutes=10))
    ask(project, shifted(requests(WINDOW, seed=90), SPEED, 15.0))
    project.close()
    assert flyball_process("watch", "plant", folder=folder, FLYBALL_FAILPOINT=point).returncode == -9
    assert_whole(folder)
    project, _ = open_at(folder)
    with project.database.read() as reader:
        judged = reader.execute(select(windows_table.c.number, windows_table.c.alert)).all()
    assert len(judged) == len(project.alerts(resolved=True)) == (1 if point.endswith("after-commit") else 0)
    project.close()
    again = flyball_process("watch", "plant", folder=folder)
    assert again.returncode == 1
    document = json.loads(again.stdout)
    assert [alert["windows"] for alert in document["alerts"]] == [1]
    assert answer(flyball_process("audit", "verify", folder=folder))["ok"]


def test_the_bundles_profile_is_enough_when_the_training_rows_are_gone(opened):
    project, clock = opened
    version = project.registry.resolve("plant")
    known = next(one for one in project.registry.datasets() if one.version == version.dataset_version)
    project.artifacts.path(known.artifact).unlink()
    ask(project, requests(WINDOW, seed=95))
    clock.forward(minutes=1)
    seen = project.watch()
    assert [(window.verdict, window.statistics["reference"]) for window in seen.judged] == [("healthy", "profile")]
    ask(project, gapped(requests(WINDOW, seed=96), SIZE, 0.6))
    clock.forward(minutes=1)
    assert [column["column"] for column in project.watch().alerts[0].columns] == [SIZE]


# -- faces


def test_the_commands_say_where_a_model_stands_by_their_exit_code(folder: Path):
    import datetime as dt

    quiet = flyball("watch", "plant", folder=folder).answer()
    assert (quiet["state"], quiet["waiting"], quiet["budget"]) == ("not enough data", [], "1 per 200 windows")
    project, clock = open_at(folder, dt.datetime.now(dt.UTC) - timedelta(minutes=10))
    ask(project, requests(WINDOW, seed=1))
    clock.forward(minutes=1)
    assert flyball("watch", folder=folder).answer()["counts"] == {"healthy": 1, "alarm": 0, "not enough data": 0}
    ask(project, shifted(requests(WINDOW, seed=2), SPEED, 15.0))
    project.close()
    loud = flyball("watch", "plant", "--since", "1h", folder=folder).answer(1)
    number = loud["alerts"][0]["number"]
    assert [column["column"] for column in loud["alerts"][0]["columns"]] == [SPEED]
    assert flyball("alerts", "list", folder=folder).answer()["alerts"] == loud["alerts"]
    assert (
        flyball("alerts", "acknowledge", number, "--reason", "on it", folder=folder).answer()["state"] == "acknowledged"
    )
    assert flyball("alerts", "resolve", number, "--reason", " ", folder=folder).error(2)["code"] == "FB-PROJECT-011"
    assert flyball("alerts", "resolve", number, "--reason", "done", folder=folder).answer()["by"].startswith("user:")
    assert flyball("alerts", "resolve", number, "--reason", "twice", folder=folder).error(1)["code"] == "FB-WATCH-003"
    assert flyball("alerts", "list", folder=folder).answer()["alerts"] == []
    assert len(flyball("alerts", "list", "--all", folder=folder).answer()["alerts"]) == 1
    assert flyball("watch", folder=folder).answer()["state"] == "healthy"


def test_bad_questions_get_coded_answers(folder: Path):
    assert flyball("watch", "plnt", folder=folder).error(2)["code"].startswith("FB-REG")
    assert flyball("watch", "--since", "yesterday", folder=folder).error(2)["code"] == "FB-PROJECT-020"
    assert flyball("watch", "--since", "99999999999d", folder=folder).error(2)["code"] == "FB-PROJECT-020"
    assert flyball("alerts", "resolve", 3, "--reason", "x", folder=folder).error(2)["code"] == "FB-WATCH-002"


def test_the_http_interface_shows_windows_and_alerts_and_settles_them(opened):
    from flyball.api import control_app

    project, clock = opened
    ask(project, requests(WINDOW, seed=1))
    clock.forward(minutes=1)
    ask(project, shifted(requests(WINDOW, seed=2), SPEED, 15.0))
    clock.forward(minutes=1)
    number = project.watch().alerts[0].number
    control = control_app(project.view())

    async def ask_all() -> None:
        transport = httpx.ASGITransport(app=control)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            seen = (await client.get("/api/v1/models/plant/watch?since=1h")).json()
            assert (seen["state"], [window["verdict"] for window in seen["windows"]]) == ("alert", ["alarm", "healthy"])
            assert {"column", "p", "distance", "before", "after", "what"} <= set(seen["windows"][1]["columns"][0])
            assert len(seen["windows"][1]["columns"]) == 7
            assert (await client.get("/api/v1/models/nothing/watch")).status_code == 404
            assert (await client.get("/api/v1/models/plant/watch?since=soon")).status_code == 400
            assert [alert["number"] for alert in (await client.get("/api/v1/alerts")).json()] == [number]
            resolve = f"/api/v1/alerts/{number}/resolve"
            assert (await client.post(resolve, json={})).status_code == 400
            assert (await client.post(resolve, data={"reason": "x"})).status_code == 415
            assert (await client.post(resolve, json={"reason": "sensor replaced"})).json()["state"] == "resolved"
            assert (await client.post(resolve, json={"reason": "again"})).status_code == 409
            unknown = await client.post("/api/v1/alerts/999/acknowledge", json={"reason": "x"})
            assert unknown.status_code == 404
            assert (await client.get("/api/v1/alerts")).json() == []
            assert len((await client.get("/api/v1/alerts?resolved=true&model=plant")).json()) == 1

    asyncio.run(ask_all())
