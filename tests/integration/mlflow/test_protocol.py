"""The protocol on a project: what its own clients cannot tell, because their server has none of it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from flyball.mlflow import MlflowApp, Service
from flyball.project import Project
from flyball.registry import VersionExternal
from flyball.server import open_for_server
from support.stores import Store

GATES = """
[project]
name = "tracking"

[gate.production]
roc_auc = ">= 0.8"
"""


class Asked:
    """The application, called as a server would."""

    def __init__(self, app: MlflowApp) -> None:
        self.app = app

    def __call__(self, method: str, path: str, fields: Any = None, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                key = "params" if method == "GET" else "json"
                return await client.request(method, f"/api/2.0/{path}", **({key: fields} if fields else {}), **more)

        return asyncio.run(send())


@pytest.fixture
def project(store: Store) -> Iterator[Project]:
    (store.folder / "flyball.toml").write_text(GATES)
    opened, made = open_for_server(store.folder, store=store.url)
    assert not made
    yield opened
    opened.close()


@pytest.fixture
def ask(project: Project) -> Iterator[Asked]:
    app = MlflowApp(Service.of(project))
    yield Asked(app)
    app.close()


def as_user(name: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:secret".encode()).decode()}


def registered(ask: Asked, auc: float, *, name: str = "machines") -> int:
    """A run with a metric and a file, registered; the version's number."""
    run = ask("POST", "mlflow/runs/create", {"experiment_id": "0", "start_time": 1, "user_id": "ada"}).json()["run"][
        "info"
    ]
    ask(
        "POST", "mlflow/runs/log-metric", {"run_id": run["run_id"], "key": "test_roc_auc", "value": auc, "timestamp": 1}
    )
    ask("POST", "mlflow/runs/set-tag", {"run_id": run["run_id"], "key": "mlflow.source.git.commit", "value": "c0ffee"})
    path = run["artifact_uri"].removeprefix("mlflow-artifacts:/") + "/model/weights.bin"
    assert ask("PUT", f"mlflow-artifacts/artifacts/{path}", content=b"weights %.3f" % auc).status_code == 200
    ask("POST", "mlflow/registered-models/create", {"name": name})
    made = ask(
        "POST", "mlflow/model-versions/create",
        {"name": name, "source": run["artifact_uri"] + "/model", "run_id": run["run_id"]}, headers=as_user("ada"),
    )  # fmt: skip
    return int(made.json()["model_version"]["version"])


def set_alias(ask: Asked, version: int, user: str, alias: str = "production") -> httpx.Response:
    fields = {"name": "machines", "alias": alias, "version": str(version)}
    return ask("POST", "mlflow/registered-models/alias", fields, headers=as_user(user))


def test_an_alias_set_by_a_client_passes_the_gate_and_the_ledger_tells_who(ask: Asked, project: Project) -> None:
    version = registered(ask, 0.91)
    assert set_alias(ask, version, "grace").status_code == 200
    move = project.registry.alias_history("machines", "production")[-1]
    assert (move.number, move.actor.id, move.actor.auth) == (version, "grace", "claimed")
    assert move.details["gate"]["passed"] is True
    assert [entry.what for entry in project.ledger.entries(subject="machines")] == [
        "version.registered", "gate.passed", "alias.moved"
    ]  # fmt: skip


def test_a_gate_that_says_no_answers_403_with_the_reason_and_changes_nothing(ask: Asked, project: Project) -> None:
    good, bad = registered(ask, 0.91), registered(ask, 0.55)
    set_alias(ask, good, "grace")
    refused = set_alias(ask, bad, "bob")
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert "roc_auc >= 0.8" in refused.json()["message"]
    assert "0.55" in refused.json()["message"]
    assert project.registry.resolve("machines@production").number == good
    entry = project.ledger.entries(what="gate.refused")[-1]
    assert (entry.subject, entry.actor.id) == (f"machines@{bad}", "bob")


def test_a_metric_of_the_training_rows_opens_no_gate(ask: Asked) -> None:
    run = ask("POST", "mlflow/runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    ask("POST", "mlflow/runs/log-metric", {"run_id": run, "key": "training_roc_auc", "value": 0.99, "timestamp": 1})
    ask("POST", "mlflow/registered-models/create", {"name": "machines"})
    ask("POST", "mlflow/model-versions/create", {"name": "machines", "source": "s3://b/m", "run_id": run})
    refused = set_alias(ask, 1, "bob")
    assert (refused.status_code, "roc_auc" in refused.json()["message"]) == (403, True)


def test_a_gate_judges_by_the_last_point_of_a_logged_model(ask: Asked, project: Project) -> None:
    run = ask("POST", "mlflow/runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    fields = {"experiment_id": "0", "source_run_id": run}
    model = ask("POST", "mlflow/logged-models", fields).json()["model"]["info"]["model_id"]
    for step, value in ((1, 0.5), (0, 0.95), (2, 0.6)):
        point = {
            "run_id": run,
            "model_id": model,
            "key": "roc_auc",
            "value": value,
            "timestamp": 9 - step,
            "step": step,
        }
        assert ask("POST", "mlflow/runs/log-metric", point).status_code == 200
    ask("POST", "mlflow/registered-models/create", {"name": "machines"})
    made = {"name": "machines", "source": f"models:/{model}", "run_id": run, "model_id": model}
    assert ask("POST", "mlflow/model-versions/create", made).status_code == 200
    assert project.registry.evidence(project.registry.resolve("machines@1"))["logged"] == {"roc_auc": 0.6}
    assert set_alias(ask, 1, "bob").status_code == 403


def test_a_stage_passes_the_gate_of_its_name_too(ask: Asked, project: Project) -> None:
    good, bad = registered(ask, 0.91), registered(ask, 0.55)

    def move(version: int, stage: str) -> httpx.Response:
        fields = {
            "name": "machines",
            "version": str(version),
            "stage": stage,
            "archive_existing_versions": stage != "None",
        }
        return ask("POST", "mlflow/model-versions/transition-stage", fields, headers=as_user("grace"))

    assert move(bad, "Staging").status_code == 200
    assert move(good, "Production").status_code == 200
    refused = move(bad, "Production")
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    moved = project.ledger.entries(what="stage.moved")
    assert [(entry.subject, entry.actor.id) for entry in moved] == [
        (f"machines@{bad}", "grace"),
        (f"machines@{good}", "grace"),
    ]
    assert moved[1].why.startswith("None to Production")


def test_which_version_an_alias_named_is_known_at_any_time(ask: Asked, project: Project) -> None:
    versions = [registered(ask, 0.9 + number / 100) for number in range(3)]
    moments = []
    for version in versions:
        moments.append(datetime.now(UTC))
        set_alias(ask, version, "grace")
    moments.append(datetime.now(UTC))
    named = [project.registry.alias_at("machines", "production", moment) for moment in moments]
    assert [version and version.number for version in named] == [None, *versions]


def test_a_version_binds_its_files_and_its_evidence_says_who_measured_what(ask: Asked, project: Project) -> None:
    version = project.registry.version("machines", registered(ask, 0.91))
    evidence = project.registry.evidence(version)
    assert evidence["metrics"]["test"]["roc_auc"]["value"] == 0.91
    assert (evidence["run"]["user"], evidence["code"]["commit"]) == ("ada", "c0ffee")
    assert project.registry.verify().ok
    entry = project.ledger.entry(version.seq)
    project.artifacts.delete(entry.binds["artifact:model/weights.bin"])
    verified = project.registry.verify()
    assert [problem.code for problem in verified.problems] == ["FB-AUDIT-018"]


def test_a_withdrawn_model_begins_anew_outside_and_goes_on_in_the_registry(ask: Asked, project: Project) -> None:
    assert [registered(ask, 0.9), registered(ask, 0.9)] == [1, 2]
    ask("DELETE", "mlflow/registered-models/delete", {"name": "machines"})
    assert registered(ask, 0.95) == 1
    assert set_alias(ask, 1, "grace").status_code == 200
    assert project.registry.resolve("machines@production").number == 3
    got = ask("GET", "mlflow/registered-models/alias", {"name": "machines", "alias": "production"})
    assert got.json()["model_version"]["version"] == "1"
    assert "model.withdrawn" in [entry.what for entry in project.ledger.entries(subject="machines")]


def test_a_model_of_another_tool_has_no_bundle_and_that_is_said(ask: Asked, project: Project) -> None:
    registered(ask, 0.91)
    version = project.registry.resolve("machines")
    for use in (project.bundle, project.pipeline_of, project.report):
        with pytest.raises(VersionExternal):
            use(version)
    for use in (lambda: project.compare("machines@1", "machines@1"), lambda: project.slices("machines@1")):
        with pytest.raises(VersionExternal):
            use()
    (seen,) = project.view().models()
    assert (seen["task"], seen["versions"][0]["bundle"]) == ("external", None)
    assert project.status()["models"][0]["newest"] == "machines@1"
    assert project.promote("machines@1", "production", reason="by hand").moved


def test_numbers_are_read_as_proto3_writes_them(ask: Asked) -> None:
    run = ask("POST", "mlflow/runs/create", {"experiment_id": "0", "start_time": "1234"}).json()["run"]["info"][
        "run_id"
    ]
    for value in ("NaN", 1, "2.5", 1e400):
        fields = {"run_id": run, "key": "m", "value": value, "timestamp": "5", "step": "-3"}
        body = json.dumps(fields).encode()
        assert ask("POST", "mlflow/runs/log-metric", content=body).status_code == 200
    history = ask("GET", "mlflow/metrics/get-history", {"run_id": run, "metric_key": "m"}).json()["metrics"]
    assert {str(point["value"]) for point in history} == {"NaN", "1.0", "2.5", "1.7976931348623157e+308"}
    for bad in (True, "x", [1], None, {"a": 1}):
        answer = ask("POST", "mlflow/runs/log-metric", {"run_id": run, "key": "m", "value": bad, "timestamp": 1})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    "path", ["mlflow/traces/search", "mlflow/odd", "mlflow/logged-models/x/odd", "mlflow-artifacts/odd", "mlflow/"]
)
def test_what_the_server_does_not_have_is_an_unknown_endpoint(ask: Asked, path: str) -> None:
    answer = ask("POST", path, {"a": 1})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize("path", ["../up", "a/../../b", "%2e%2e/x", "a/%2e%2e/%2e%2e/x", "a%5cb", "a%00b"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_no_path_leads_out_of_the_files(ask: Asked, project: Project, method: str, path: str) -> None:
    scope = {
        "type": "http", "method": method, "path": f"/api/2.0/mlflow-artifacts/artifacts/{path}", "headers": [],
        "query_string": b"", "raw_path": b"",
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(ask.app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert list(project.artifacts.digests()) == []


def test_a_body_that_is_no_json_object_is_refused(ask: Asked) -> None:
    for body in (b"[1]", b"{", b'"a"', b"\xff", b'{"name": ' + b"[" * 100_000):
        answer = ask("POST", "mlflow/experiments/create", content=body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_client_that_hangs_up_leaves_no_half_file(ask: Asked, project: Project) -> None:
    messages = iter([{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(_: Any) -> None:
        raise AssertionError("nobody listens")

    scope = {
        "type": "http", "method": "PUT", "path": "/api/2.0/mlflow-artifacts/artifacts/a.bin", "headers": [],
        "query_string": b"",
    }  # fmt: skip
    asyncio.run(ask.app(scope, receive, send))
    assert list(project.artifacts.digests()) == []
    assert ask("GET", "mlflow-artifacts/artifacts/a.bin").status_code == 404
