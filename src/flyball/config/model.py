"""What a project file says, checked: sections as frozen records."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidatorFunctionWrapHandler,
    model_validator,
)

from flyball.config.budget import Budget, BudgetInvalid
from flyball.config.duration import DurationInvalid, parse_duration
from flyball.config.effort import Effort, parse_effort
from flyball.config.positions import KeyPath, Position
from flyball.config.size import SizeInvalid, parse_size
from flyball.config.webhooks import WebhookConfig

__all__ = [
    "GATE_KEYS",
    "KNOWN_METRICS",
    "CostsConfig",
    "DataConfig",
    "FeatureConfig",
    "GateConfig",
    "MetricRule",
    "ModelConfig",
    "MonitorConfig",
    "NoWorseConfig",
    "ProjectConfig",
    "ProjectSection",
    "RetentionConfig",
]

KNOWN_METRICS = (
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "brier",
    "calibration_error",
    "f1",
    "interval_coverage",
    "log_loss",
    "macro_f1",
    "mae",
    "median_absolute_error",
    "precision",
    "r2",
    "recall",
    "rmse",
    "roc_auc",
    "set_coverage",
    "set_size",
)

# What a gate may ask beside bounds on metrics.
GATE_KEYS = ("beats_baseline", "no_worse_than", "overrules", "leaks_kept", "latency", "size")

_DAY_S = 86_400.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RULE = re.compile(r"\s*(>=|<=|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(%?)\s*")


def _duration(value: Any) -> Any:
    try:
        return parse_duration(value)
    except DurationInvalid as error:
        raise ValueError(f"{error.what}; {error.fix}") from error
    except AttributeError as error:
        raise ValueError('a length of time is written like "60s", "10m" or "2ms"') from error


def _size(value: Any) -> Any:
    try:
        return parse_size(value)
    except SizeInvalid as error:
        raise ValueError(f"{error.what}; {error.fix}") from error


def _effort(value: Any) -> Any:
    try:
        return parse_effort(value)
    except DurationInvalid as error:
        raise ValueError(f"{error.what}; {error.fix}") from error


def _embargo(value: Any) -> Any:
    """A number of rows, or a length of time with its unit; kept as written."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError(f"an embargo of {value} rows keeps nothing apart; leave it out, or give 1 or more")
        return value
    if isinstance(value, str):
        if not re.search(r"[a-z]", value, re.IGNORECASE):
            raise ValueError(f'{value!r} has no unit; write embargo = "7d" for a time, embargo = 24 for rows')
        if _duration(value) <= 0:
            raise ValueError(f"an embargo of {value!r} keeps nothing apart; leave it out, or give a longer one")
        return value
    raise ValueError('an embargo is a length of time like "7d", or a number of rows like 24')


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


Text = Annotated[str, AfterValidator(_filled)]
Duration = Annotated[float, BeforeValidator(_duration)]
Size = Annotated[int, BeforeValidator(_size)]
Embargo = Annotated[str | int, BeforeValidator(_embargo)]
Names = Annotated[tuple[Text, ...], Field(strict=False)]
NamesOrOne = Annotated[tuple[Text, ...], BeforeValidator(_as_list), Field(strict=False)]
OneOrMore = Annotated[tuple[Text, ...], BeforeValidator(_as_list), Field(strict=False, min_length=1)]


MissingValues = Annotated[tuple[str | int | float, ...], Field(strict=False)]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ProjectSection(_Section):
    """`[project]`: the project's name, and where its database and artifacts live.

    `artifact_links`: whether clients may be sent to an object store itself, by links that it signs.
    """

    name: Text
    store: Text = "sqlite:///.flyball/flyball.db"
    artifacts: Text = ".flyball/artifacts"
    artifact_links: bool = True


class DataConfig(_Section):
    """`[data.NAME]`: a table, and what is known of its columns. `missing` lists, by column, the values that mean missing;
    an empty list says that none does. Columns that are not in it are searched for such values.

    `key` names its rows; `refers` says, by column, of which dataset it holds the key; `known` is the column that says
    when what is predicted of a row became known. What is not said is found.
    """

    source: Text
    test: Text | None = None
    time: Text | None = None
    entity: Text | None = None
    personal: Names = ()
    public: Names = ()
    drop: Names = ()
    missing: Annotated[dict[Text, MissingValues], Field(default_factory=dict)]
    key: Text | None = None
    refers: Annotated[dict[Text, Text], Field(default_factory=dict)]
    known: Text | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> DataConfig:
        both = sorted(set(self.personal) & set(self.public))
        if both:
            raise ValueError(f'public: "{both[0]}" stands in both personal and public')
        gone = [("key", self.key), ("known", self.known), *(("refers", column) for column in self.refers)]
        for setting, column in gone:
            if column is not None and column in self.drop:
                raise ValueError(f'{setting}: "{column}" stands in drop too, so it would not be read')
        if self.known is not None and self.known == self.time:
            raise ValueError(
                f'known: "{self.known}" is the time of the row too; what is known then needs no prediction'
            )
        return self


def _lag(value: Any) -> Any:
    """A length of time that may be negative: a feature with such a lag is refused with the row that it shows in."""
    return -_duration(value[1:]) if isinstance(value, str) and value.startswith("-") else _duration(value)


class FeatureConfig(_Section):
    """`[features.NAME]`: a column made from related tables, beside those that are found. `window` and `lag` are in seconds.

    `of` is "TABLE.COLUMN" or "TABLE"; `by` the column whose value the rows share, or `along` the references on the way.
    """

    of: Text
    by: Text | None = None
    along: NamesOrOne = ()
    function: Literal["count", "mean", "sum", "std", "min", "max", "last", "distinct", "hours since"] | None = None
    window: Annotated[Duration, Field(gt=0)] | None = None
    lag: Annotated[float, BeforeValidator(_lag)] = 0.0
    as_of: Text | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> FeatureConfig:
        if self.by is not None and self.along:
            raise ValueError("by: a way goes by a shared value or along references, not both")
        if self.by is not None and self.function is None:
            raise ValueError('function: many rows share a value; say what is taken of them, such as "mean"')
        return self


class CostsConfig(_Section):
    """`costs = { … }` of a model: what each kind of decision about a row costs, in any one unit; gains are negative."""

    false_positive: float
    false_negative: float
    true_positive: float = 0.0
    true_negative: float = 0.0

    @model_validator(mode="wrap")
    @classmethod
    def _of_two_classes(cls, raw: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(raw, list | tuple):
            raise ValueError(
                "a matrix of costs is not known: costs choose the threshold of a model with two classes; "
                "write { false_positive = 1, false_negative = 20 }"
            )
        if not isinstance(raw, Mapping):
            raise ValueError("costs are a table: { false_positive = 1, false_negative = 20 }")
        return handler(raw)

    @model_validator(mode="after")
    def _errors_cost_more(self) -> CostsConfig:
        for wrong, right in (("false_positive", "true_negative"), ("false_negative", "true_positive")):
            low, high = getattr(self, right), getattr(self, wrong)
            if high <= low:
                raise ValueError(f"{wrong} = {high:g} must cost more than {right} = {low:g}, the right answer")
        return self


class ModelConfig(_Section):
    """`[model.NAME]`: what is predicted, from what, how well and how fast. `latency` is in seconds, `size` in bytes."""

    data: OneOrMore
    target: Text
    task: Literal["auto", "binary", "multiclass", "regression"] = "auto"
    metric: Text | None = None
    budget: Annotated[Effort, BeforeValidator(_effort)] = Effort(60.0)
    latency: Annotated[Duration, Field(gt=0)] = 0.0002
    size: Annotated[Size, Field(ge=100_000)] = 10_000_000
    positive: str | bool | int | float | None = None
    weight: Text | None = None
    time: Text | None = None
    group: Text | None = None
    split: Literal["auto", "random", "time", "group"] = "auto"
    embargo: Embargo | None = None
    purge: bool = False
    drop: Names = ()
    keep: Names = ()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    costs: CostsConfig | None = None
    slices: NamesOrOne = ()
    windows: bool | dict[str, Any] | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ModelConfig:
        if self.costs is not None and self.task in ("multiclass", "regression"):
            raise ValueError(f"costs choose the threshold between two classes; a {self.task} model has none")
        both = sorted(set(self.drop) & set(self.keep))
        if both:
            raise ValueError(f'"{both[0]}" stands in both drop and keep')
        if self.target in self.drop:
            raise ValueError(f'the target "{self.target}" stands in drop')
        if self.target in self.keep:
            raise ValueError(f'the target "{self.target}" stands in keep, and no model may learn from it')
        if self.embargo is not None and self.split in ("random", "group"):
            raise ValueError(f'embargo: an embargo needs an order in time, and split is "{self.split}"')
        if self.purge and self.split == "random":
            raise ValueError('purge: purging needs groups, and split is "random"')
        return self


def _at_least_a_day(seconds: float) -> float:
    if seconds < _DAY_S:
        raise ValueError("must be a day at least: work that is under way may still need what is younger")
    return seconds


Age = Annotated[Duration, AfterValidator(_at_least_a_day)]


class RetentionConfig(_Section):
    """`[retention]`: what `flyball clean` may remove once it is older than this, in seconds. None: it stays."""

    predictions: Age | None = None
    deleted_runs: Duration | None = None
    steps: Age | None = None
    artifacts: Age | None = None
    reports: Age | None = None
    upgrade_copies: Age | None = None


class MetricRule(_Section):
    """One bound on a metric. `of` says whether its value or an end of its interval is compared."""

    metric: str
    min: float | None = None
    max: float | None = None
    exclusive: bool = False
    of: Literal["value", "low", "high"] = "value"

    @property
    def text(self) -> str:
        """The rule in words: `roc_auc >= 0.6`, `recall (low end) >= 0.5`.

        >>> MetricRule(metric="recall", min=0.5, of="low").text
        'recall (low end) >= 0.5'
        """
        subject = self.metric if self.of == "value" else f"{self.metric} ({self.of} end)"
        strict = "" if self.exclusive else "="
        bounds = [(">", self.min), ("<", self.max)]
        return f"{subject} " + " and ".join(f"{sign}{strict} {bound:g}" for sign, bound in bounds if bound is not None)


class NoWorseConfig(_Section):
    """`no_worse_than = "ALIAS"`, or `{ alias = …, margin = … }`: how much worse is acceptable, in the metric's unit."""

    alias: Text
    margin: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _from_name(cls, raw: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(raw, str):
            raw = {"alias": raw}
        if not isinstance(raw, Mapping):
            raise ValueError('write the name of an alias, or { alias = "production", margin = 0.005 }')
        return handler(raw)


class GateConfig(_Section):
    """`[gate.ALIAS]`: what a version must show before the alias moves to it. `latency` is in seconds, `size` in bytes."""

    rules: tuple[MetricRule, ...] = ()
    beats_baseline: bool = False
    no_worse_than: NoWorseConfig | None = None
    overrules: Annotated[int, Field(ge=0)] | None = None
    leaks_kept: Annotated[int, Field(ge=0)] | None = None
    latency: Annotated[Duration, Field(gt=0)] | None = None
    size: Size | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _from_toml(cls, raw: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(raw, Mapping):
            return handler(raw)
        settings = {key: raw[key] for key in GATE_KEYS if key in raw}
        rules = [_rule(key, raw[key]) for key in raw if key not in settings]
        return handler({**settings, "rules": tuple(rules)})

    @property
    def raw(self) -> dict[str, Any]:
        """The section as plain values, each rule as `{"min", "max", "of", "exclusive"}` under its metric's name."""
        plain: dict[str, Any] = {
            rule.metric: {
                key: value
                for key, value in rule.model_dump(exclude={"metric"}, exclude_none=True).items()
                if value is not False
            }
            for rule in self.rules
        }
        if self.beats_baseline:
            plain["beats_baseline"] = True
        if self.no_worse_than:
            rule = self.no_worse_than
            plain["no_worse_than"] = rule.alias if rule.margin is None else rule.model_dump()
        counts = {
            "overrules": self.overrules, "leaks_kept": self.leaks_kept, "latency": self.latency, "size": self.size,
        }  # fmt: skip
        plain |= {key: most for key, most in counts.items() if most is not None}
        return plain


def _rule(metric: str, value: Any) -> MetricRule:
    """A rule from `">= 0.6"` or `{ min = 0.6, of = "low" }`; complaints name the metric."""
    if isinstance(value, str):
        match = _RULE.fullmatch(value)
        if not match:
            raise ValueError(f'{metric}: {value!r} is not a rule; write it like ">= 0.60" or {{ min = 0.60 }}')
        bound = float(match[2]) / (100 if match[3] else 1)
        low, high = (bound, None) if match[1].startswith(">") else (None, bound)
        return MetricRule(metric=metric, min=low, max=high, exclusive=len(match[1]) == 1)
    if not isinstance(value, Mapping):
        raise ValueError(f'{metric}: a rule is a text like ">= 0.60" or a table like {{ min = 0.60 }}')
    unknown = sorted(set(value) - {"min", "max", "of"})
    if unknown:
        raise ValueError(f"{metric}.{unknown[0]}: unknown key; a rule has min, max and of")
    low, high = (_bound(metric, side, value.get(side)) for side in ("min", "max"))
    if low is None and high is None:
        raise ValueError(f"{metric}: a rule needs min or max")
    if low is not None and high is not None and low > high:
        raise ValueError(f"{metric}: min {low:g} is above max {high:g}, so nothing can pass")
    of = value.get("of", "value")
    if of not in {"value", "low", "high"}:
        raise ValueError(f'{metric}.of: {of!r} is not one of "value", "low", "high"')
    return MetricRule(metric=metric, min=low, max=high, of=of)


def _bound(metric: str, side: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{metric}.{side}: {value!r} is not a number")
    return float(value)


class MonitorConfig(_Section):
    """`[monitor.MODEL]`: how the prediction log of a model is watched. `every` is in seconds.

    A window is what was asked in each `every`, or each `window` rows in turn; `window` None with `every` None: 500.
    """

    every: Annotated[Duration, Field(ge=1.0)] | None = None
    window: Annotated[int, Field(ge=10, le=1_000_000)] | None = None
    false_alarms: Text = "1 per 1000 windows"
    fewest: Annotated[int, Field(ge=10)] = 50

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> MonitorConfig:
        if self.every is not None and self.window is not None:
            raise ValueError("a window ends by time (every) or by rows (window), not by both")
        if self.every is None and self.rows < self.fewest:
            raise ValueError(f"windows of {self.rows} rows never hold the fewest {self.fewest}: lower fewest")
        try:
            _ = self.budget
        except BudgetInvalid as error:
            raise ValueError(f"{error.what}: {error.why}; {error.fix}") from error
        return self

    @property
    def rows(self) -> int:
        """Rows of a window that ends by rows."""
        return self.window or 500

    @property
    def budget(self) -> Budget:
        """The false alarms that a model may raise while nothing changes."""
        return Budget.parse(self.false_alarms, every_seconds=self.every)


class ProjectConfig(_Section):
    """A whole project file. `path` is the file; `where` tells the line that a value was written on."""

    project: ProjectSection
    data: dict[str, DataConfig] = {}
    model: dict[str, ModelConfig] = {}
    gate: dict[str, GateConfig] = {}
    monitor: dict[str, MonitorConfig] = {}
    features: dict[str, FeatureConfig] = {}
    retention: RetentionConfig = RetentionConfig()
    webhooks: dict[str, WebhookConfig] = {}

    _path: Path = PrivateAttr(default=Path("flyball.toml"))
    _positions: dict[KeyPath, Position] = PrivateAttr(default_factory=dict)

    def located(self, path: Path, positions: dict[KeyPath, Position]) -> ProjectConfig:
        """This configuration, knowing where its values stand."""
        self._path, self._positions = path, positions
        return self

    @property
    def path(self) -> Path:
        return self._path

    @property
    def folder(self) -> Path:
        """The folder that relative paths in the file start from."""
        return self._path.parent

    def resolve(self, location: str) -> Path:
        """A path of the file (a data source, the artifacts folder) from the project's folder."""
        return (self.folder / Path(location).expanduser()).resolve()

    @property
    def store_url(self) -> str:
        """The store's URL with a relative SQLite path made absolute."""
        scheme, separator, location = self.project.store.partition("sqlite:///")
        if scheme or not separator or location.startswith("/"):
            return self.project.store
        return f"sqlite:///{self.resolve(location)}"

    @property
    def store_file(self) -> Path | None:
        """The file that the store is; None when a server keeps it."""
        url = self.store_url
        return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None

    @property
    def artifacts_place(self) -> str:
        """The artifacts' folder as an absolute path, or the URL of the bucket that keeps them."""
        place = self.project.artifacts
        return place if "://" in place else str(self.resolve(place))

    @property
    def artifacts_folder(self) -> Path | None:
        """The artifacts' folder; None when an object store keeps them."""
        return None if "://" in self.project.artifacts else self.resolve(self.project.artifacts)

    def line(self, path: KeyPath) -> str | None:
        """`flyball.toml:31, model.machines.time` for a key that stands in the file; None for one that does not."""
        found = self._positions.get(path)
        return None if found is None else f"{self._path.name}:{found.line}, {'.'.join(map(str, path))}"

    def line_number(self, key: KeyPath) -> int | None:
        """The line that a key stands on; None when the file does not set it."""
        return self._positions[key].line if key in self._positions else None

    def where(self, key: str | KeyPath) -> str:
        """`flyball.toml:31` for a key such as `gate.production.roc_auc`: its own line, or that of the section it
        would stand in; the file's name alone when that is absent too."""
        path: KeyPath = tuple(key.split(".")) if isinstance(key, str) else key
        while path:
            if path in self._positions:
                return f"{self._path.name}:{self._positions[path].line}"
            path = path[:-1]
        return self._path.name


def is_name(text: str) -> bool:
    """Whether a text may name a dataset, model or alias: it becomes part of paths and of `name@alias`."""
    return bool(_NAME.fullmatch(text))
