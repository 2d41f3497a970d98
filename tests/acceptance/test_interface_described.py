"""schemathesis holds the server to its own OpenAPI document."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from flyball.api import ProjectView, control_app
from support.command_line import flyball
from support.projects import standing
from support.protocol import described_protocol
from support.servers import Process

INTERFACE_EXAMPLES, PROTOCOL_EXAMPLES = 8, 4
TOKEN = "correct-horse-battery-staple"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
# The grammars that no JSON Schema can say.
FORMATS = {
    "run-query": st.sampled_from(
        ["", "run_name = 'one'", "metrics.auc > 0.5 OR NOT (tags.a = 'b' AND params.c LIKE '%')"]
    ),
    "run-order": st.sampled_from(["started DESC", "metrics.auc", "params.`a b` ASC"]),
    "page-token": st.just("WzEsICJhdWMiLCAxLCAxLCAwLjUsIDBd"),
    "look-back": st.sampled_from(["7d", "1h30m", "2026-01-01T00:00:00Z"]),
}
for name, strategy in FORMATS.items():
    schemathesis.openapi.format(name, strategy)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server over a project with a model, an alias and a tracked run."""
    folder = standing("binary").copy(tmp_path_factory.mktemp("described") / "p")
    flyball("promote", "plant@1", "staging", "--reason", "first", folder=folder).answer()
    with (folder / "flyball.toml").open("a", encoding="utf-8") as file:
        file.write(HOOK)
    process = Process(folder, token=TOKEN)
    for run_id in RUNS:
        given = {"experiment_id": "0", "run_id": run_id}
        made = httpx.post(f"{process.url}/api/2.0/mlflow/runs/create", json=given, headers=HEADERS)
        assert made.status_code == 200
    yield process
    assert process.end(15) == 0


def document() -> dict[str, Any]:
    """The description as the server gives it; making it asks nothing of a project."""
    app = control_app(cast("ProjectView", None), token=TOKEN)

    async def read() -> dict[str, Any]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            found: dict[str, Any] = (await client.get("/api/v1/openapi.json", headers=HEADERS)).json()
            return found

    return asyncio.run(read())


def with_known(described: dict[str, Any]) -> dict[str, Any]:
    """The same description, with values that exist beside any others: half of the requests find something."""
    for operations in described["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                known = KNOWN.get(parameter["name"])
                if known:
                    parameter["schema"] = {"anyOf": [{"enum": known}, parameter["schema"]]}
    return described


RUNS = [f"{number:032x}" for number in (7, 8)]
KNOWN: dict[str, list[Any]] = {
    "name": ["plant"], "number": [1], "alias": ["staging"], "by": ["ok?"], "other": ["1", "staging"], "run": [RUNS],
    "hook": ["chat"],
}  # fmt: skip
HOOK = """
[webhooks.chat]
url = "https://127.0.0.1/"
secret_from = "NEVER_SET"
"""
config = SchemathesisConfig.from_dict({"seed": 7})
schema = schemathesis.openapi.from_dict(with_known(document()), config=config)


@schema.parametrize()
@settings(
    max_examples=INTERFACE_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_what_the_description_says(case: schemathesis.Case, server: Process) -> None:
    case.call_and_validate(base_url=server.url, headers=HEADERS)


# Handlers read what they are sent leniently, as MLflow's own server does: what a description would have to allow or to
# refuse beyond types is not known of every field, so these two checks are left out here, and only here.
INEXACT = [positive_data_acceptance, negative_data_rejection]
RUN = RUNS[0]
known_calls = {
    "run_id": [RUN], "run_uuid": [RUN], "run_ids": [[RUN]], "experiment_id": ["0"], "experiment_ids": [["0"]],
    "name": ["made"], "version": ["1"], "alias": ["champion"], "key": ["loss"], "metric_key": ["loss"],
    "filter": ["", "metrics.loss < 1"], "order_by": [["start_time DESC"]], "stage": ["Staging"],
    "source": [f"runs:/{RUN}/model"], "status": ["FINISHED"], "model_json": ["{}", "[]", '{"artifact_path": "m"}'],
}  # fmt: skip
protocol = schemathesis.openapi.from_dict(described_protocol(known_calls), config=config)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server with a run, a registered model and a version of it, under the names that calls know."""
    folder = tmp_path_factory.mktemp("tracked")
    process = Process(folder)
    call = functools.partial(ask, process.url)
    call("runs/create", experiment_id="0", run_id=RUN)
    call("registered-models/create", name="made")
    call("model-versions/create", name="made", source=f"runs:/{RUN}/model", run_id=RUN)
    call("registered-models/alias", name="made", alias="champion", version="1")
    yield process
    assert process.end(15) == 0


def ask(url: str, path: str, **fields: Any) -> Any:
    answer = httpx.post(f"{url}/api/2.0/mlflow/{path}", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


@protocol.parametrize()
@settings(
    max_examples=PROTOCOL_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_call_of_the_protocol_fails_but_by_a_coded_refusal(case: schemathesis.Case, tracked: Process) -> None:
    case.call_and_validate(base_url=tracked.url, excluded_checks=INEXACT)
