"""The JSON documents of the control plane, as its OpenAPI description shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

__all__ = [
    "AlertDocument",
    "AliasDocument",
    "Audit",
    "BundleDocument",
    "ColumnDocument",
    "ComparisonDocument",
    "DeliveryDocument",
    "DiffDocument",
    "Entry",
    "ErrorDocument",
    "GateDocument",
    "ModelDocument",
    "ModelStatus",
    "ProjectDocument",
    "RuleDocument",
    "RunColumnsDocument",
    "RunDocument",
    "RunPointsDocument",
    "RunsDiffDocument",
    "RunsDocument",
    "ServedDocument",
    "SlicesDocument",
    "StatusDocument",
    "VersionDocument",
    "WatchDocument",
    "WebhookDocument",
    "WindowDocument",
]


class ProjectDocument(BaseModel):
    """The project: its name, the folder's name, the product's version, its models' names."""

    name: str
    version: str
    models: list[str]


class RuleDocument(BaseModel):
    """One rule of a gate, what was measured, whether it passes and what would."""

    rule: str
    measured: str
    passes: bool
    passes_at: str
    where: str


class GateDocument(BaseModel):
    """The verdict of one gate over a version."""

    gate: str
    passed: bool
    results: list[RuleDocument]


class BundleDocument(BaseModel):
    """Where a version's bundle lies, its content hash, its size in bytes, and the key id that signed it."""

    path: str
    content_hash: str
    size_bytes: int
    signed_by: str | None


class VersionDocument(BaseModel):
    """One version of a model; `evidence` is the evidence document, `created` RFC 3339; no bundle: another tool made it."""

    number: int
    created: str
    actor: str
    reason: str
    evidence: dict[str, Any]
    gates: list[GateDocument]
    bundle: BundleDocument | None


class SlicesDocument(BaseModel):
    """A version's `slices` as in its evidence (null before they were searched); `by` holds the levels of a column."""

    model: str
    version: int
    slices: dict[str, Any] | None
    by: dict[str, Any] | None = None


class ComparisonDocument(BaseModel):
    """Two versions on the same rows. `metrics` maps a metric to `ours`, `theirs`, `difference`, `p_value`, `outcome`.

    Where `comparable` is false, `reason` says why; `fair` is false where one learned from the rows (`caution`).
    """

    model: str
    on: str
    metric: str
    comparable: bool
    reason: str | None
    fair: bool | None = None
    caution: str | None = None
    rows: int | None = None
    metrics: dict[str, dict[str, Any]] | None = None
    text: str | None = None


class AliasDocument(BaseModel):
    """Which version an alias names now, and since when (RFC 3339)."""

    alias: str
    number: int
    since: str


class Entry(BaseModel):
    """One entry of the ledger; `actor` is "kind:id" or the actor's fields."""

    seq: int
    time: str
    what: str
    subject: str
    why: str
    actor: Any
    hash: str


class RunDocument(BaseModel):
    """A tracked run. Times are milliseconds since 1970; a metric (its latest point) that is no number is null."""

    id: str
    experiment: int
    name: str
    user: str
    status: str
    stage: str
    parent: str | None
    started: int
    ended: int | None
    metrics: dict[str, float | None]
    params: dict[str, str]
    tags: dict[str, str]
    inputs: list[dict[str, Any]]
    models: list[dict[str, Any]]


class RunsDocument(BaseModel):
    """A page of runs; `next` is the offset of the page after it, null at the end."""

    runs: list[RunDocument]
    next: int | None


class DiffDocument(BaseModel):
    """What changed between two versions. A pair is [before, after], null where one has none; `same` names the parts
    without a difference, `unknown` those that neither version tells of. `explanations` are shares of all importance, the
    largest change first."""

    before: dict[str, str | None]
    after: dict[str, str | None]
    same: list[str]
    unknown: list[str]
    data: dict[str, Any]
    features: dict[str, list[str]]
    settings: dict[str, Any]
    metrics: list[dict[str, Any]]
    explanations: list[dict[str, Any]]
    verdicts: list[dict[str, Any]]
    findings: dict[str, list[str]]
    code: dict[str, Any]


class RunsDiffDocument(BaseModel):
    """Tracked runs beside each other: rows `{"key", "values"}` of what is not the same in all, a value for each run."""

    runs: list[dict[str, Any]]
    same: list[str]
    params: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    tags: list[dict[str, Any]]
    inputs: list[dict[str, Any]]
    code: list[dict[str, Any]]


class RunColumnsDocument(BaseModel):
    """A page of runs by column. `run` has a list per field; the others, by key, a list over the rows (null: the run has
    none) or, where less than half of the runs have one, `{"at": [row, …], "values": […]}`. A metric that is no number is
    the text "NaN". The next page is asked for with `next` as `offset`, and with the same `upto`.
    """

    rows: int
    next: int | None
    upto: int
    run: dict[str, list[Any]]
    metrics: dict[str, Any]
    params: dict[str, Any]
    tags: dict[str, Any]


class RunPointsDocument(BaseModel):
    """A page of points of metrics: `run` and `key` are places in `runs` (ids) and `keys`. The next page is asked for with
    `next` as `after`; null at the end.
    """

    runs: list[str]
    keys: list[str]
    run: list[int]
    key: list[int]
    step: list[int]
    timestamp: list[int]
    value: list[float | str]
    next: str | None


class ServedDocument(BaseModel):
    """Which version an alias named at a moment (`version` null: none), since and until when (null: still), the move there
    with its actor, reason and gate, and what the version was made of, which is absent when there is no version. `imported`:
    how a version stands that was imported; `stated`: what the source of an import said of a moment before it.
    """

    model: str
    alias: str
    at: str
    version: int | None
    ref: str | None
    since: str | None
    until: str | None
    moved: dict[str, Any] | None
    registered: dict[str, Any] | None = None
    evidence: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    run: str | None = None
    code: Any = None
    imported: dict[str, Any] | None = None
    stated: dict[str, Any] | None = None


class ModelDocument(BaseModel):
    """A model with its versions (newest first), aliases and history (newest first); of a model that other tools made
    alone the task is "external", and neither target nor metric is known."""

    name: str
    task: str
    target: str | None
    metric: str | None
    versions: list[VersionDocument]
    aliases: list[AliasDocument]
    history: list[Entry]


class AlertDocument(BaseModel):
    """A judged change: its state ("open", "acknowledged", "resolved"), the inputs (`columns`) and answers (`scores`) that
    moved with their evidence, in how many `windows`, what to do next; times are RFC 3339."""

    number: int
    model: str
    version: int
    state: str
    severity: str
    columns: list[dict[str, Any]]
    scores: list[dict[str, Any]]
    window: dict[str, Any] | None
    p: float | None
    level: float | None
    budget: str | None
    windows: int
    raised: str
    changed: str
    by: str
    reason: str
    entry: str
    next: list[str]


class ColumnDocument(BaseModel):
    """A column in a window: its p-value over all columns, the share of rows that lie elsewhere (`distance`), numbers
    before and after, the cell that moved most, and all of it in one sentence (`what`)."""

    column: str
    kind: str
    output: bool
    p: float
    moved: bool
    distance: float
    before: dict[str, float | None]
    after: dict[str, float | None]
    cell: dict[str, Any]
    what: str


class WindowDocument(BaseModel):
    """A judged window: `verdict` is "healthy", "alarm" or "not enough data"; it alarms when p <= level."""

    model: str
    version: int
    number: int
    start: str
    end: str
    rows: int
    verdict: str
    p: float | None
    level: float
    alert: int | None
    judged: str
    why: str
    reference: str
    reference_rows: int
    columns: list[ColumnDocument]


class WatchDocument(BaseModel):
    """Where a model stands: "alert", "healthy" or "not enough data"; windows newest first; rows that wait.
    `counts` are windows by verdict, `false_alarm_range` how many of them chance alone would make alarm (95 %)."""

    model: str
    state: str
    since: str
    budget: str
    level: float
    fewest: int
    counts: dict[str, int]
    false_alarm_range: list[int]
    windows: list[WindowDocument]
    waiting: list[dict[str, Any]]
    alerts: list[AlertDocument]
    not_watched: dict[str, list[str]]


class ModelStatus(BaseModel):
    """Where a model stands: its newest version, that version's `quality` (`metric` with its interval), its aliases."""

    name: str
    task: str | None
    versions: int
    newest: str | None
    created: str | None
    metric: str | None
    quality: dict[str, float | None] | None
    aliases: list[AliasDocument]


class StatusDocument(BaseModel):
    """The project in short, as `flyball status --json` prints it; `alerts` are the open ones, `runs` those that
    clients tracked here and did not delete."""

    project: str
    path: str
    models: list[ModelStatus]
    ledger: dict[str, Any]
    alerts: list[AlertDocument]
    runs: int
    predictions: int
    outcomes: int


class Audit(BaseModel):
    """Whether every hash holds, and each place where one does not."""

    ok: bool
    problems: list[dict[str, Any]]


class WebhookDocument(BaseModel):
    """A webhook of the project file without its secret (`secret`: "set", or what is wrong with it), and its messages by
    state."""

    name: str
    url: str
    events: list[str]
    models: list[str]
    networks: list[str]
    tries: int
    secret_from: str
    secret: str
    waiting: int
    delivered: int
    dead: int


class DeliveryDocument(BaseModel):
    """A message to a webhook: `state` is "waiting", "delivered" or "dead"; `due` says when it is tried next."""

    id: str
    hook: str
    seq: int
    event: str
    subject: str
    state: str
    tries: int
    due: str | None
    answer: str
    changed: str


class CheckDocument(BaseModel):
    """One thing that the doctor looked at; `state` is "ok", "warning" or "problem", `facts` are numbers."""

    name: str
    state: str
    what: str
    where: str | None
    why: str | None
    fix: str | None
    code: str | None
    facts: dict[str, float]


class DiagnosisDocument(BaseModel):
    """Every check of an examination; `ok` when none is a problem."""

    ok: bool
    project: str | None
    deep: bool
    problems: int
    warnings: int
    checks: list[CheckDocument]


class ErrorDocument(BaseModel):
    """A coded error: what, where, why and how to fix it."""

    error: str
    code: str
    what: str
    where: str | None
    why: str | None
    fix: str | None
    facts: dict[str, str]
