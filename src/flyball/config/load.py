"""Reading a project file: every complaint cites file, line, column and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from flyball.config.model import (
    GATE_KEYS,
    KNOWN_METRICS,
    CostsConfig,
    DataConfig,
    FeatureConfig,
    GateConfig,
    ModelConfig,
    MonitorConfig,
    NoWorseConfig,
    ProjectConfig,
    ProjectSection,
    RetentionConfig,
    is_name,
)
from flyball.config.positions import KeyPath, Position, key_positions
from flyball.config.webhooks import WebhookConfig
from flyball_runtime.errors import BadInput, near_miss

__all__ = [
    "ConfigInvalid",
    "ConfigMissing",
    "ConfigSyntax",
    "ConfigUnknownKey",
    "ConfigUnreadable",
    "load_project",
    "parse_project",
]

_PROJECT_FILE = "flyball.toml"


class ConfigMissing(BadInput):
    """There is no project file where one was looked for. `flyball init` writes one."""

    code = "FB-CONFIG-001"


class ConfigSyntax(BadInput):
    """The project file is not valid TOML."""

    code = "FB-CONFIG-002"


class ConfigUnknownKey(BadInput):
    """The project file holds a key that Flyball does not know; a misspelt setting must not pass silently."""

    code = "FB-CONFIG-003"


class ConfigInvalid(BadInput):
    """A value of the project file has the wrong type, is out of range, or does not fit the others."""

    code = "FB-CONFIG-004"


class ConfigUnreadable(BadInput):
    """The project file exists but cannot be read as UTF-8 text."""

    code = "FB-CONFIG-006"


@dataclass(frozen=True, slots=True)
class _Complaint:
    """One thing wrong, at a key path."""

    path: KeyPath
    what: str
    unknown: bool = False
    fix: str | None = None


def load_project(path: Path | str, *, metrics: Collection[str] = KNOWN_METRICS) -> ProjectConfig:
    """The project file at `path`, or `flyball.toml` in that folder. `metrics`: the names that rules may use.

    Raises ConfigMissing, ConfigUnreadable, ConfigSyntax, ConfigUnknownKey or ConfigInvalid.
    """
    file = Path(path)
    if file.is_dir():
        file = file / _PROJECT_FILE
    try:
        text = file.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigMissing(
            f"no {file.name} here",
            where=str(file.parent.absolute()),
            fix="change to the project's folder, or make one: flyball init NAME --from FILE --target COLUMN",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigUnreadable(
            f"{file.name} is not UTF-8 text", where=f"{file.name}, byte {error.start}", fix="save it as UTF-8"
        ) from error
    except OSError as error:
        raise ConfigUnreadable(
            f"cannot read {file.name}", where=str(file), why=error.strerror, fix="check that it may be read"
        ) from error
    return parse_project(text, path=file.absolute(), metrics=metrics)


def parse_project(
    text: str, *, path: Path = Path(_PROJECT_FILE), metrics: Collection[str] = KNOWN_METRICS
) -> ProjectConfig:
    """A project file's text, checked. Raises ConfigSyntax, ConfigUnknownKey or ConfigInvalid."""
    text = text.removeprefix("\ufeff")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax(error, text, path.name) from error
    positions = key_positions(text)
    complaints: list[_Complaint] = _unknown_sections(raw)
    try:
        config: ProjectConfig | None = ProjectConfig.model_validate(raw)
    except ValidationError as error:
        config = None
        complaints += [complaint for item in error.errors() for complaint in _translate(item)]
    complaints += _bad_names(raw)
    if config is not None:
        complaints += _cross_checks(config, metrics)
    if complaints or config is None:
        raise _render(complaints, positions, path.name)
    return config.located(path, positions)


def _syntax(error: tomllib.TOMLDecodeError, text: str, file: str) -> ConfigSyntax:
    message = str(error)
    found = re.search(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)", message)
    line, column = (int(found[1]), int(found[2])) if found and found[1] else (text.count("\n") + 1, 1)
    lines = text.split("\n")
    written = lines[line - 1].strip() if line <= len(lines) else ""
    why = message[: found.start()] if found else message
    return ConfigSyntax(
        f"{file} is not valid TOML",
        where=f"{file}:{line}:{column}" + (f"   {written}" if written else ""),
        why=why[:1].lower() + why[1:],
        fix='texts stand in quotes, lists in [ ], tables under [section]: see "flyball.toml" in the documentation',
    )


_PLAIN: dict[str, type[BaseModel]] = {"project": ProjectSection, "retention": RetentionConfig}
_SECTIONS: dict[str, type[BaseModel]] = {
    "data": DataConfig,
    "model": ModelConfig,
    "gate": GateConfig,
    "monitor": MonitorConfig,
    "features": FeatureConfig,
    "webhooks": WebhookConfig,
}
_INNER: dict[str, type[BaseModel]] = {"costs": CostsConfig, "no_worse_than": NoWorseConfig}


def _unknown_sections(raw: dict[str, Any]) -> list[_Complaint]:
    """A table such as `[data]` whose settings stand directly in it, without a name in between."""
    return [
        _Complaint(
            (section, key),
            f'"{key}" stands directly in [{section}]',
            fix=f"give it a name: [{section}.{'production' if section == 'gate' else 'NAME'}]",
        )
        for section in _SECTIONS
        if isinstance(raw.get(section), dict)
        for key, value in raw[section].items()
        if not isinstance(value, dict)
    ]


def _translate(item: Any) -> list[_Complaint]:
    """A complaint of pydantic in our words."""
    path: KeyPath = tuple(item["loc"])
    kind, given = item["type"], item.get("input")
    if len(path) == 2 and path[0] in _SECTIONS and kind in {"model_type", "model_attributes_type", "dict_type"}:
        return []  # said by _unknown_sections
    if kind == "extra_forbidden":
        known = _keys_beside(path)
        return [
            _Complaint(
                path,
                f'unknown key "{path[-1]}"',
                unknown=True,
                fix=near_miss(str(path[-1]), known) or f"known here: {', '.join(known)}",
            )
        ]
    if kind == "missing":
        return [_Complaint(path, f'"{path[-1]}" is missing', fix=f"add {path[-1]} = … to [{_dotted(path[:-1])}]")]
    if kind == "value_error":
        text = str(item["ctx"]["error"])
        key = re.match(r"([\w.]+): ", text)
        if path[:1] == ("gate",) and len(path) == 2 and key:
            return [_Complaint((*path, *key[1].split(".")), text[key.end() :], unknown="unknown key" in text)]
        if key and len(path) == 2 and key[1] in _keys_beside((*path, "")):
            return [_Complaint((*path, key[1]), text[key.end() :])]
        return [_Complaint(path, text)]
    if path and path[-1] not in _keys_beside(path) and not isinstance(path[-1], int):
        path = path[:-1]  # the branch of a union that was tried
    wanted = item["msg"].replace("Input should be a valid", "it should be a").replace("a tuple", "a list of texts")
    return [_Complaint(path, f"{given!r} does not fit: {wanted[:1].lower()}{wanted[1:]}")]


def _keys_beside(path: KeyPath) -> list[str]:
    if len(path) == 1:
        return list(ProjectConfig.model_fields)
    if path[0] in _PLAIN:
        return list(_PLAIN[str(path[0])].model_fields)
    inner = _INNER.get(str(path[2])) if len(path) > 3 else None
    if inner is not None:
        return list(inner.model_fields)
    section = _SECTIONS.get(str(path[0]))
    if section is GateConfig:
        return list(GATE_KEYS)
    return list(section.model_fields) if section else []


_NAMED = (("data", "dataset"), ("model", "model"), ("gate", "alias"), ("monitor", "model"), ("webhooks", "webhook"))


def _bad_names(raw: dict[str, Any]) -> list[_Complaint]:
    complaints = [
        _Complaint(
            (section, name),
            f'"{name}" cannot name a {noun}',
            fix="use up to 64 letters, digits, - and _, beginning with a letter or digit",
        )
        for section, noun in _NAMED
        if isinstance(raw.get(section), dict)
        for name, value in raw[section].items()
        if isinstance(value, dict) and not is_name(name)
    ]
    gates = raw.get("gate")
    complaints += [
        _Complaint(("gate", name), f'"{name}" is reserved and cannot be an alias', fix="call it production")
        for name in (gates if isinstance(gates, dict) else ())
        if name == "latest" or name.isdigit()
    ]
    return complaints


def _cross_checks(config: ProjectConfig, metrics: Collection[str]) -> list[_Complaint]:
    complaints = [
        _Complaint(
            ("data", name, "refers", column),
            f'"{column}" refers to a dataset "{other}", which there is not',
            fix=near_miss(other, config.data) or f"add a section [data.{other}] with its source",
        )
        for name, data in config.data.items()
        for column, other in data.refers.items()
        if other not in config.data
    ]
    several = [model.data for model in config.model.values() if len(model.data) > 1]
    complaints += [
        _Complaint(
            ("features", name, "of"),
            f'no model learns from several tables of which "{feature.of.partition(".")[0]}" is one',
            fix=near_miss(feature.of.partition(".")[0], config.data) or "name a table under data of the model",
        )
        for name, feature in config.features.items()
        if not any(feature.of.partition(".")[0] in data for data in several)
    ]
    for name, model in config.model.items():
        complaints += [
            _Complaint(
                ("model", name, "data"),
                f'there is no dataset "{dataset}"',
                fix=near_miss(dataset, config.data) or f"add a section [data.{dataset}] with its source",
            )
            for dataset in model.data
            if dataset not in config.data
        ]
        complaints += [
            _Complaint(("model", name, "data"), f'"{dataset}" is named twice', fix="name each dataset once")
            for dataset in sorted({one for one in model.data if model.data.count(one) > 1})
        ]
        if model.metric is not None and model.metric not in metrics:
            complaints.append(_unknown_metric(("model", name, "metric"), model.metric, metrics))
    complaints += [
        _Complaint(
            ("monitor", name),
            f'there is no model "{name}" to watch',
            fix=near_miss(name, config.model) or f"declared are: {', '.join(config.model)}",
        )
        for name in config.monitor
        if config.model and name not in config.model
    ]
    for alias, gate in config.gate.items():
        for rule in gate.rules:
            if rule.metric not in metrics:
                known = [*metrics, *GATE_KEYS]
                complaints.append(_unknown_metric(("gate", alias, rule.metric), rule.metric, known))
        rival = gate.no_worse_than
        if rival is not None and not is_name(rival.alias):
            complaints.append(_Complaint(("gate", alias, "no_worse_than"), f'"{rival.alias}" cannot be an alias'))
    return complaints


def _unknown_metric(path: KeyPath, metric: str, known: Collection[str]) -> _Complaint:
    return _Complaint(
        path,
        f'unknown metric "{metric}"',
        unknown=path[0] == "gate",
        fix=near_miss(metric, known) or f"known: {', '.join(sorted(known))}",
    )


def _render(complaints: list[_Complaint], positions: dict[KeyPath, Position], file: str) -> BadInput:
    """One error for the first complaint in reading order; the others follow as facts."""

    def position(complaint: _Complaint) -> Position:
        path = complaint.path
        while path and path not in positions:
            path = path[:-1]
        return positions.get(path, Position(1, 1))

    def where(complaint: _Complaint) -> str:
        found = position(complaint)
        return f"{file}:{found.line}:{found.column}, {_dotted(complaint.path) or 'the file'}"

    def reading_order(complaint: _Complaint) -> tuple[int, bool, int]:
        """On one line a misspelt key comes before what is missing for it."""
        at = position(complaint)
        return at.line, not complaint.unknown, at.column

    ordered = sorted(complaints, key=reading_order)
    first, others = ordered[0], ordered[1:]
    error = ConfigUnknownKey if first.unknown else ConfigInvalid
    return error(
        first.what,
        where=where(first),
        fix=first.fix or "correct the value",
        facts={
            ("also" if index == 0 else f"also {index + 1}"): f"{where(o)}: {o.what}"
            for index, o in enumerate(others[:5])
        },
    )


def _dotted(path: KeyPath) -> str:
    return ".".join(str(key) if isinstance(key, int) or is_name(str(key)) else f'"{key}"' for key in path)
