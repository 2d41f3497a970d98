"""The bill of materials of a model: CycloneDX 1.6, with the model card that the standard foresees for ML models."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flyball.core.canonical import digest_json, sha256_hex
from flyball_runtime.errors import InternalError

__all__ = ["SbomInvalid", "sbom"]

_NAMESPACE = uuid.UUID("6e1c9a0e-6f0a-5d4e-9d3b-0d6b3b0a7f11")


class SbomInvalid(InternalError):
    """The bill of materials did not validate against the CycloneDX schema, so it was not written."""

    code = "FB-SBOM-001"


def sbom(
    model: str,
    version: int | str | None,
    environment: Mapping[str, Any],
    files: Mapping[str, bytes],
    *,
    created: datetime,
    evidence: Mapping[str, Any] | None = None,
) -> bytes:
    """CycloneDX ML-BOM as JSON: the model with the digests of its files, its training data and metrics when
    `evidence` is given, and the packages that made it. Equal arguments give equal bytes. Raises SbomInvalid.
    """
    document = _document(model, version, environment, files, created)
    component = document["metadata"]["component"]
    component["modelCard"] = _model_card(evidence or {})
    document["serialNumber"] = "urn:uuid:" + str(uuid.uuid5(_NAMESPACE, digest_json(document)))
    text = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True)
    _validate(text)
    return text.encode()


def _document(
    model: str,
    version: int | str | None,
    environment: Mapping[str, Any],
    files: Mapping[str, bytes],
    created: datetime,
) -> dict[str, Any]:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    contents = [
        Component(
            name=name,
            type=ComponentType.FILE,
            bom_ref=f"file:{name}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256_hex(data))],
        )
        for name, data in sorted(files.items())
    ]
    shown = None if version is None else str(version)
    root = Component(
        name=model,
        version=shown,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{model}@{shown or 'unregistered'}",
        components=contents,
        properties=[
            Property(name=f"flyball:{key}", value=str(environment[key]))
            for key in ("python", "implementation", "platform")
            if environment.get(key)
        ],
    )
    bom = Bom(
        metadata=BomMetaData(component=root, timestamp=created),
        components=_packages(environment),
        serial_number=uuid.UUID(int=0),
    )
    bom.register_dependency(root, list(bom.components))
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    return document


def _packages(environment: Mapping[str, Any]) -> list[Any]:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    return [
        Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            bom_ref=f"pkg:pypi/{name}@{version}",
            purl=PackageURL(type="pypi", name=name, version=version),
        )
        for name, version in sorted((environment.get("packages") or {}).items())
    ]


def _model_card(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """CycloneDX's `modelCard`, which the Python library does not write yet."""
    parameters: dict[str, Any] = {"approach": {"type": "supervised"}}
    if evidence.get("task"):
        parameters["task"] = str(evidence["task"])
    data = evidence.get("data") or {}
    if data.get("dataset"):
        dataset: dict[str, Any] = {"type": "dataset", "name": str(data["dataset"])}
        if data.get("version"):
            dataset["contents"] = {"properties": [{"name": "flyball:version", "value": str(data["version"])}]}
        parameters["datasets"] = [dataset]
    card: dict[str, Any] = {"modelParameters": parameters}
    measured = ((evidence.get("metrics") or {}).get("test") or {}).items()
    metrics = [_metric(name, found) for name, found in measured if found.get("value") is not None]
    if metrics:
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    return card


def _metric(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": name, "value": repr(float(found["value"])), "slice": "test"}
    ends = {"lowerBound": found.get("low"), "upperBound": found.get("high")}
    if all(value is not None for value in ends.values()):
        entry["confidenceInterval"] = {side: repr(float(value)) for side, value in ends.items() if value is not None}
    return entry


def _validate(text: str) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise SbomInvalid(
            "the model's bill of materials does not follow CycloneDX 1.6",
            why=str(getattr(problem, "data", problem)).splitlines()[0],
            fix="please report this: a name of the model or of a package may hold a character that Flyball mishandles",
        )
