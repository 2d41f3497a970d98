"""The project file: strict, with a position for every value."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyball.config.budget import Budget, BudgetInvalid
    from flyball.config.choices import check_choices, check_feature
    from flyball.config.duration import DurationInvalid, parse_duration
    from flyball.config.effort import Effort, parse_effort
    from flyball.config.load import (
        ConfigInvalid,
        ConfigMissing,
        ConfigSyntax,
        ConfigUnknownKey,
        ConfigUnreadable,
        load_project,
        parse_project,
    )
    from flyball.config.model import (
        DataConfig,
        FeatureConfig,
        GateConfig,
        MetricRule,
        ModelConfig,
        MonitorConfig,
        ProjectConfig,
        ProjectSection,
        RetentionConfig,
    )
    from flyball.config.size import SizeInvalid, parse_size
    from flyball.config.webhooks import WebhookConfig
    from flyball.config.write import inline_toml, write_project

__all__ = [
    "PROJECT_FILE",
    "STATE_FOLDER",
    "Budget",
    "BudgetInvalid",
    "ConfigInvalid",
    "ConfigMissing",
    "ConfigSyntax",
    "ConfigUnknownKey",
    "ConfigUnreadable",
    "DataConfig",
    "DurationInvalid",
    "Effort",
    "FeatureConfig",
    "GateConfig",
    "MetricRule",
    "ModelConfig",
    "MonitorConfig",
    "ProjectConfig",
    "ProjectSection",
    "RetentionConfig",
    "SizeInvalid",
    "WebhookConfig",
    "check_choices",
    "check_feature",
    "inline_toml",
    "load_project",
    "parse_duration",
    "parse_effort",
    "parse_project",
    "parse_size",
    "write_project",
]

PROJECT_FILE = "flyball.toml"
STATE_FOLDER = ".flyball"

_HOMES = {
    "budget": ("Budget", "BudgetInvalid"),
    "choices": ("check_choices", "check_feature"),
    "duration": ("DurationInvalid", "parse_duration"),
    "effort": ("Effort", "parse_effort"),
    "load": (
        "ConfigInvalid",
        "ConfigMissing",
        "ConfigSyntax",
        "ConfigUnknownKey",
        "ConfigUnreadable",
        "load_project",
        "parse_project",
    ),
    "model": (
        "DataConfig",
        "FeatureConfig",
        "GateConfig",
        "MetricRule",
        "ModelConfig",
        "MonitorConfig",
        "ProjectConfig",
        "ProjectSection",
        "RetentionConfig",
    ),
    "size": ("SizeInvalid", "parse_size"),
    "webhooks": ("WebhookConfig",),
    "write": ("inline_toml", "write_project"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"flyball.config.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
