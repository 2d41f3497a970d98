"""What the project file declares of a model, and what a call says instead of it: tables, with what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyball.config import ConfigInvalid, ModelConfig, ProjectConfig, check_feature
from flyball.project.handles import Dataset
from flyball_runtime.errors import BadInput, near_miss

if TYPE_CHECKING:
    from flyball.pipeline.related import Related, RelatedSource
    from flyball.project.project import Project

__all__ = ["ModelNotDeclared", "beside", "declared_dataset"]

_OF_A_TABLE = ("source", "key", "time", "refers", "drop", "personal", "public", "missing")


class ModelNotDeclared(BadInput):
    """The project file declares no such model, or several and none was named."""

    code = "FB-PROJECT-004"


def declared_dataset(project: Project, name: str) -> Dataset:
    """The tables and settings of a model of the project file. Raises ModelNotDeclared."""
    from flyball.pipeline import LoopSettings
    from flyball.pipeline.related import related_of

    config = project.config
    if name not in config.model:
        known = list(config.model)
        raise ModelNotDeclared(
            f'the project file declares no model "{name}"',
            where=config.where("model"),
            why=near_miss(name, known),
            fix="declared: " + (", ".join(known) or "none"),
        )
    section = config.model[name]
    dataset = section.data[0]
    if dataset not in config.data:
        raise ModelNotDeclared(
            f'model "{name}" is made from "{dataset}", which the project file does not declare',
            where=config.where(f"model.{name}.data"),
            fix=f"add a section [data.{dataset}] with its source",
        )
    data = config.data[dataset]
    settings = LoopSettings.from_config(name, section, data, _places(config, name, dataset))
    test = None if data.test is None else config.resolve(data.test)
    return Dataset(config.resolve(data.source), settings, test, related_of(config, name))


def _places(config: ProjectConfig, model: str, dataset: str) -> dict[str, str]:
    """The line on which each setting of a model stands; what stands nowhere has none."""
    lines = {key: config.line(("model", model, key)) for key in ModelConfig.model_fields}
    own = {"time": "time", "entity": "group", "personal": "personal", "public": "public",
           "test": "data.test", "drop": "data.drop", "missing": "data.missing", "known": "data.known"}  # fmt: skip
    for key, setting in own.items():
        lines[setting] = lines.get(setting) or config.line(("data", dataset, key))
    return {setting: line for setting, line in lines.items() if line}


def beside(
    project: Project,
    base: str,
    related: Mapping[str, Any] | None,
    *,
    key: str | None,
    refers: Mapping[str, str] | None,
    features: Mapping[str, Mapping[str, Any]] | None,
) -> Related | None:
    """The related tables of a call: by name a table or path, or {"source": …, "key": …} as in the project file."""
    from flyball.pipeline.related import Related, arguments_of

    if not related:
        if key is not None or refers or features:
            raise ConfigInvalid(
                "key, refers and features are about related tables, and none is given", where="the argument related",
                fix='give the others by name: related={"customers": "customers.csv"}',
            )  # fmt: skip
        return None
    sources = tuple(_source(project, name, given) for name, given in related.items())
    known = {base, *related}
    said = {base: dict(refers or {}), **{one.name: one.refers for one in sources}}
    for name, columns in said.items():
        for column, other in columns.items():
            if other not in known:
                raise ConfigInvalid(
                    f'"{column}" of {name} refers to "{other}", which is none of the tables given',
                    where="the argument related",
                    fix=near_miss(other, known) or f"give it too: related={{{other!r}: …}}",
                )
    declared = {name: arguments_of(check_feature(name, given)) for name, given in (features or {}).items()}
    return Related(sources, key, said[base], {}, declared)


def _source(project: Project, name: str, given: Any) -> RelatedSource:
    from flyball.pipeline.related import RelatedSource

    if not isinstance(given, Mapping) or "source" not in given:
        return RelatedSource(name, _located(project, given))
    for setting in given:
        if setting not in _OF_A_TABLE:
            raise ConfigInvalid(
                f'unknown setting "{setting}" of the related table {name}', where="the argument related",
                fix=near_miss(setting, _OF_A_TABLE) or f"known: {', '.join(_OF_A_TABLE)}",
            )  # fmt: skip
    names = {setting: tuple(given.get(setting, ())) for setting in ("drop", "personal", "public")}
    return RelatedSource(
        name, _located(project, given["source"]), key=given.get("key"), time=given.get("time"),
        refers=dict(given.get("refers", {})), drop=names["drop"], personal=names["personal"], public=names["public"],
        missing=tuple((column, tuple(values)) for column, values in dict(given.get("missing", {})).items()),
    )  # fmt: skip


def _located(project: Project, source: Any) -> Any:
    return project.config.resolve(str(source)) if isinstance(source, str | Path) else source
