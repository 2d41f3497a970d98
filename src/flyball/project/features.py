"""The window features of a version: what each is made of, what it brought, and the same as a section of a project file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flyball.config import inline_toml
from flyball.project.related_features import related_features

if TYPE_CHECKING:
    from flyball.project.project import Project
    from flyball.registry import ModelVersion

__all__ = ["features_of", "windows_section"]


def features_of(project: Project, version: ModelVersion) -> dict[str, Any]:
    """Every column and feature that a version's graph computes from, window features with their specification.

    `windows` None: the version looks at single rows alone. Each entry of `features` has a name, the raw columns it is
    made of, and for window features the aggregate and what share of the quick models' gain was its own when it was found.
    `related` tells of what is made from other tables (see `related_features`).
    """
    evidence, pipeline = project.registry.evidence(version), project.pipeline_of(version)
    told = evidence.get("windows")
    shares = dict(told.get("shares", [])) if told else {}
    spec = pipeline.windows
    windows = {} if spec is None else dict(zip(spec.names, spec.features, strict=True))
    features: list[dict[str, Any]] = []
    for name in pipeline.schema.names:
        made = windows.get(name)
        if made is None:
            features.append({"name": name, "columns": [name], "window": None, "share": None})
            continue
        columns = [made.column, made.where.column if made.where else None]
        features.append(
            {
                "name": name,
                "columns": list(dict.fromkeys(column for column in columns if column is not None)),
                "window": made.to_dict(),
                "share": shares.get(name),
            }
        )
    features.sort(key=lambda item: (item["window"] is not None, -(item["share"] or 0.0)))
    summary = None
    if told is not None and spec is not None:
        found = {key: told[key] for key in ("declared", "tried", "gain", "z", "why") if key in told}
        summary = {"entity": spec.entity, "order": spec.order, **found}
    return {
        "model": version.model, "version": version.number, "windows": summary, "features": features,
        "related": related_features(evidence),
    }  # fmt: skip


def windows_section(data: Mapping[str, Any]) -> str:
    """What `features_of` told as lines for a project file, which declare the same window features; "" without any."""
    windows = data["windows"]
    if windows is None:
        return ""
    head = [f"[model.{data['model']}.windows]"]
    head += [f"{key} = {inline_toml(windows[key])}" for key in ("entity", "order") if windows[key] is not None]
    made = [item["window"] for item in data["features"] if item["window"] is not None]
    return "\n".join([*head, "features = [", *(f"  {inline_toml(one)}," for one in made), "]", ""])
