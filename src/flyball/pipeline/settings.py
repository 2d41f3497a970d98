"""What a loop is asked to do, resolved from the project file or from arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from flyball.config import DataConfig, Effort, ModelConfig

__all__ = ["LoopSettings"]

_NOT_IN_KEYS = ("name", "dataset", "budget_seconds", "places")


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """One model to make. None and "auto" leave a choice to the data; `budget_seconds` is for the search and export; with `trials`
    that many candidates are tried instead.

    `test` is what the file of test rows is called, `embargo` a length of time ("7d") or a number of rows. `windows`: False
    for no window features, None to look for those of entities, True also for those of one stream, or their
    specification. `known` is the column that says when a row's target became known. `places` tells where a setting was
    written, such as "flyball.toml:17" or "--time", for what is wrong with it.
    """

    name: str
    dataset: str
    target: str
    task: Literal["auto", "binary", "multiclass", "regression"] = "auto"
    metric: str | None = None
    budget_seconds: float = 60.0
    trials: int | None = None
    seed: int = 0
    positive: str | bool | int | float | None = None
    weight: str | None = None
    time: str | None = None
    group: str | None = None
    split: Literal["auto", "random", "time", "group"] = "auto"
    test: str | None = None
    embargo: str | int | None = None
    purge: bool = False
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    slices: tuple[str, ...] = ()
    costs: Mapping[str, float] | None = None
    missing: tuple[tuple[str, tuple[str | int | float, ...]], ...] = ()
    windows: bool | Mapping[str, Any] | None = None
    known: str | None = None

    @classmethod
    def from_config(
        cls, name: str, model: ModelConfig, data: DataConfig, places: Mapping[str, str] | None = None
    ) -> LoopSettings:
        """The settings of `[model.NAME]` on its `[data.…]`; the model's own time and group columns win."""
        return cls(
            name=name, dataset=model.data[0], target=model.target, task=model.task, metric=model.metric,
            budget_seconds=model.budget.seconds, trials=model.budget.trials, seed=model.seed,
            positive=model.positive, weight=model.weight,
            time=model.time or data.time, group=model.group or data.entity, split=model.split,
            test=None if data.test is None else Path(data.test).name, embargo=model.embargo, purge=model.purge,
            drop=model.drop, keep=model.keep,
            personal=tuple(name for name in data.personal if name not in data.drop),
            public=tuple(name for name in data.public if name not in data.drop), places=places or {},
            slices=model.slices, costs=None if model.costs is None else model.costs.model_dump(),
            missing=tuple((name, values) for name, values in data.missing.items() if name not in data.drop),
            windows=model.windows,
            known=data.known,
        )  # fmt: skip

    def with_budget(self, effort: Effort | None) -> LoopSettings:
        """The same with another budget; None leaves it."""
        return self if effort is None else replace(self, budget_seconds=effort.seconds, trials=effort.trials)

    def place(self, setting: str) -> str | None:
        """Where a setting was written; None when nothing is known of it."""
        return self.places.get(setting)

    def told(self) -> dict[str, Any]:
        """These settings for the record of a run; the class that matters is a value of the target."""
        hidden = self.target in self.personal and self.positive is not None
        return {**self.key(), **({"positive": "personal"} if hidden else {})}

    def key(self, *names: str) -> Mapping[str, Any]:
        """These settings as JSON values, for a step's key; none named: all that can change what is learned."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        chosen = names or tuple(name for name in values if name not in _NOT_IN_KEYS)
        return {name: list(values[name]) if isinstance(values[name], tuple) else values[name] for name in chosen}
