"""The bill of materials follows CycloneDX and names what made the model."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from flyball.governance import SbomInvalid, environment, sbom
from flyball.governance.materials import _validate

CREATED = datetime(2026, 11, 23, 18, 44, tzinfo=UTC)
ENVIRONMENT = {"python": "3.11.7", "platform": "Linux x86_64", "packages": {"numpy": "2.4.6", "lightgbm": "4.7.0"}}
EVIDENCE = {
    "task": "binary",
    "data": {"dataset": "telemetry", "version": "9f" * 32},
    "metrics": {
        "test": {"roc_auc": {"value": 0.9, "low": 0.8, "high": None}, "f1": {"value": 0.5, "low": 0.4, "high": 0.6}}
    },
}


def made(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"created": CREATED, "evidence": EVIDENCE, **changes}
    model = arguments.pop("model", "machines")
    loaded: dict[str, Any] = json.loads(sbom(model, 3, ENVIRONMENT, {"model.onnx": b"graph"}, **arguments))
    return loaded


def test_files_packages_data_and_metrics_are_named() -> None:
    document = made()
    model = document["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "machines", "3")
    digest = hashlib.sha256(b"graph").hexdigest()
    assert model["components"][0]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert {one["purl"] for one in document["components"]} == {"pkg:pypi/numpy@2.4.6", "pkg:pypi/lightgbm@4.7.0"}
    card = model["modelCard"]
    assert card["modelParameters"]["datasets"][0]["name"] == "telemetry"
    metrics = {one["type"]: one for one in card["quantitativeAnalysis"]["performanceMetrics"]}
    assert metrics["f1"]["confidenceInterval"] == {"lowerBound": "0.4", "upperBound": "0.6"}
    assert "confidenceInterval" not in metrics["roc_auc"]


def test_equal_arguments_give_equal_bytes() -> None:
    first, same = (sbom("m", 1, ENVIRONMENT, {"a": b"x"}, created=CREATED) for _ in range(2))
    assert first == same
    assert first != sbom("m", 1, ENVIRONMENT, {"a": b"y"}, created=CREATED)


@pytest.mark.parametrize("name", ['mäßig <&> "q"', "a\nb", "x" * 300, "模型"])
def test_any_name_gives_a_valid_document(name: str) -> None:
    assert made(model=name, evidence={"data": {"dataset": name}})["metadata"]["component"]["name"] == name


def test_a_document_that_breaks_the_schema_is_not_written() -> None:
    document = made()
    document["metadata"]["component"]["modelCard"]["surprise"] = True
    with pytest.raises(SbomInvalid):
        _validate(json.dumps(document))


def test_the_environment_is_what_flyball_depends_on() -> None:
    found = environment()
    assert {"flyball", "flyball-runtime", "numpy", "lightgbm", "jsonschema"} <= set(found["packages"])
    assert not {"pytest", "ruff", "mypy"} & set(found["packages"])
