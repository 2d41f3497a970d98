"""What differs: between two versions in data, features, metrics, explanations and verdicts; between runs in all they logged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flyball.tracking import Run
from flyball_runtime.errors import BadInput

if TYPE_CHECKING:
    from flyball.project.project import Project
    from flyball.registry import ModelVersion

__all__ = ["TooFewRuns", "diff_runs", "diff_versions"]

_MOST_RUNS = 100
_OWN_TAGS = "mlflow."
_CODE_TAGS = {"mlflow.source.git.commit": "commit", "mlflow.source.name": "name", "mlflow.source.git.branch": "branch"}


class TooFewRuns(BadInput):
    """Runs are compared with each other, so at least two different ones are needed, and at most 100 are taken."""

    code = "FB-COMPARE-004"


def diff_versions(project: Project, before: ModelVersion, after: ModelVersion) -> dict[str, Any]:
    """Two versions, of one model or of two: what changed from the first to the second.

    `same` names the parts without a difference, `unknown` those that neither tells of, as versions made elsewhere do not.
    A pair is always `[before, after]`; None stands for what one of them does
    not have. Metrics are those on each one's own test rows: `compare` holds both against the same rows.
    """
    old, new = project.registry.evidence(before), project.registry.evidence(after)
    parts: dict[str, Any] = {
        "data": _data(project, before, after, old, new),
        "features": _features(old, new),
        "settings": _changed(_settings(old), _settings(new)),
        "metrics": _metrics(old, new),
        "explanations": _importance(old, new),
        "verdicts": _verdicts(project.verdicts(before), project.verdicts(after)),
        "findings": _findings(old, new),
        "code": _changed(_code(old), _code(new)),
    }
    told = [{"ref": one.ref, "created": one.created, "reason": one.reason, "task": one.task} for one in (before, after)]
    unknown = [name for name, tells in _TOLD.items() if not parts[name] and not tells(old) and not tells(new)]
    same = [name for name, part in parts.items() if not part and name not in unknown]
    return {"before": told[0], "after": told[1], "same": same, "unknown": unknown, **parts}


def diff_runs(project: Project, ids: Sequence[str]) -> dict[str, Any]:
    """Tracked runs beside each other, in the order given: every parameter, metric, tag and input that is not the same in all.

    A row is `{"key", "values"}` with a value for each run, None where it has none; rows of metrics also say which run has
    the `least` and the `most` (places from 0). Raises TooFewRuns, TrackingUnknown.
    """
    wanted = list(dict.fromkeys(ids))
    if not 2 <= len(wanted) <= _MOST_RUNS:
        raise TooFewRuns(
            f"{len(wanted)} different run{'' if len(wanted) == 1 else 's'} were named",
            why=f"from 2 to {_MOST_RUNS} can be compared",
            fix="name them by their ids",
        )
    runs = [project.tracking.runs.get(run_id) for run_id in wanted]
    tags = [{key: value for key, value in run.tags.items() if not key.startswith(_OWN_TAGS)} for run in runs]
    code = [{name: run.tags[tag] for tag, name in _CODE_TAGS.items() if tag in run.tags} for run in runs]
    tables: dict[str, list[dict[str, Any]]] = {
        "params": _rows([run.params for run in runs]),
        "metrics": [_ranked(row) for row in _rows([{one.key: one.value for one in run.metrics} for run in runs])],
        "tags": _rows(tags),
        "inputs": _rows([{one.name: one.digest for one in run.inputs} for run in runs]),
        "code": _rows(code),
    }
    return {"runs": [_run(run) for run in runs], "same": [name for name, rows in tables.items() if not rows], **tables}


# -- versions


def _data(
    project: Project, before: ModelVersion, after: ModelVersion, old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any]:
    told = [_data_facts(version, evidence) for version, evidence in ((before, old), (after, new))]
    found = _changed(*told)
    contracts = [_contract(project, version) for version in (before, after)]
    columns = _changed(*contracts)
    return {**found, **({"columns": columns} if columns else {})}


def _data_facts(version: ModelVersion, evidence: Mapping[str, Any]) -> dict[str, Any]:
    data, split = evidence.get("data") or {}, evidence.get("split") or {}
    facts = {
        "version": version.dataset_version,
        "dataset": data.get("dataset"),
        "rows": data.get("rows"),
        "target": evidence.get("target"),
        "split": split.get("kind"),
        "train_rows": split.get("train_rows"),
        "test_rows": split.get("test_rows"),
        "personal": sorted(data.get("personal") or []),
        "inputs": {one["name"]: one["digest"] for one in data.get("inputs") or []},
    }
    return {name: value for name, value in facts.items() if value not in (None, [], {})}


def _contract(project: Project, version: ModelVersion) -> dict[str, Any]:
    """What the data held, by column: kind, range or levels. Levels of personal columns are not in a contract."""
    for dataset in project.registry.datasets():
        if dataset.version == version.dataset_version:
            columns = ((dataset.meta or {}).get("contract") or {}).get("columns") or []
            return {
                column["name"]: {
                    key: column[key] for key in ("logical", "low", "high", "levels") if column.get(key) is not None
                }
                for column in columns
            }
    return {}


def _features(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    names = [_feature_names(evidence) for evidence in (old, new)]
    found = {
        "added": [name for name in names[1] if name not in names[0]],
        "removed": [name for name in names[0] if name not in names[1]],
    }
    return {key: value for key, value in found.items() if value}


def _feature_names(evidence: Mapping[str, Any]) -> list[str]:
    listed = (evidence.get("data") or {}).get("used") or []
    windows = (evidence.get("windows") or {}).get("shares") or []
    return list(dict.fromkeys([*listed, *(str(name) for name, _ in windows)]))


def _settings(evidence: Mapping[str, Any]) -> dict[str, Any]:
    members = {
        one["name"]: {"weight": one.get("weight"), "settings": one.get("settings")}
        for one in evidence.get("leaderboard") or []
        if one.get("weight")
    }
    budget = {key: value for key, value in (evidence.get("budget") or {}).items() if key != "used_seconds"}
    facts = {
        "task": evidence.get("task"),
        "metric": evidence.get("metric"),
        "budget": budget or None,
        "seed": evidence.get("seed"),
        "threshold": evidence.get("threshold"),
        "ensemble": members or None,
        "source": evidence.get("source"),
        **{f"params.{key}": value for key, value in (evidence.get("params") or {}).items()},
    }
    return {name: value for name, value in facts.items() if value is not None}


def _metrics(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    tables = [(evidence.get("metrics") or {}).get("test") or {} for evidence in (old, new)]
    found = []
    for name in dict.fromkeys([*tables[0], *tables[1]]):
        pair = [table.get(name) for table in tables]
        if pair[0] != pair[1]:
            values = [None if one is None else one.get("value") for one in pair]
            change = None if None in values else values[1] - values[0]  # type: ignore[operator]
            found.append({"metric": name, "values": pair, "change": change})
    return found


def _importance(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Columns by how much their share of all importance changed, the largest change first; ranks count from 1."""
    tables = [_shares(evidence) for evidence in (old, new)]
    if tables[0] == tables[1]:
        return []
    ranks = [{name: rank for rank, name in enumerate(table, 1)} for table in tables]
    found = [
        {
            "column": name,
            "shares": [table.get(name) for table in tables],
            "ranks": [rank.get(name) for rank in ranks],
            "change": (tables[1].get(name) or 0.0) - (tables[0].get(name) or 0.0),
        }
        for name in dict.fromkeys([*tables[0], *tables[1]])
    ]
    return sorted(found, key=lambda one: (-abs(one["change"]), one["column"]))


def _shares(evidence: Mapping[str, Any]) -> dict[str, float]:
    items = evidence.get("importance") or []
    total = sum(abs(item["value"]) for item in items) or 1.0
    ordered = sorted(items, key=lambda item: -abs(item["value"]))
    return {item["column"]: abs(item["value"]) / total for item in ordered}


def _verdicts(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the gates of today say of both; only those where a rule has another result or measures something else."""
    found = []
    for first, second in zip(old, new, strict=True):
        rules = [
            {
                "rule": one["rule"],
                "measured": [one["measured"], other["measured"]],
                "passes": [one["passes"], other["passes"]],
            }
            for one, other in zip(first["results"], second["results"], strict=False)
            if (one["measured"], one["passes"]) != (other["measured"], other["passes"])
        ]
        if rules or first["passed"] != second["passed"]:
            found.append({"gate": first["gate"], "passed": [first["passed"], second["passed"]], "rules": rules})
    return found


def _findings(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    texts = [
        [str(item.get("text") or f"{item.get('column') or ''} {item.get('what') or ''}".strip()) for item in items]
        for items in ([*(one.get("leaks") or []), *(one.get("overrules") or [])] for one in (old, new))
    ]
    found = {
        "added": [text for text in texts[1] if text not in texts[0]],
        "removed": [text for text in texts[0] if text not in texts[1]],
    }
    return {key: value for key, value in found.items() if value}


def _code(evidence: Mapping[str, Any]) -> dict[str, Any]:
    environment = evidence.get("environment") or {}
    packages = {f"package {name}": number for name, number in (environment.get("packages") or {}).items()}
    plain = {key: value for key, value in environment.items() if isinstance(value, str)}
    return {key: value for key, value in {**(evidence.get("code") or {}), **plain, **packages}.items() if value}


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Any]]:
    """`{key: [before, after]}` of what is not the same."""
    keys: Collection[str] = dict.fromkeys([*old, *new])
    return {key: [old.get(key), new.get(key)] for key in keys if old.get(key) != new.get(key)}


# -- runs


def _rows(columns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for key in sorted({key for column in columns for key in column}):
        values = [column.get(key) for column in columns]
        if any(value != values[0] for value in values):
            found.append({"key": key, "values": values})
    return found


def _ranked(row: dict[str, Any]) -> dict[str, Any]:
    known = [(value, place) for place, value in enumerate(row["values"]) if value is not None]
    places = {"least": min(known)[1], "most": max(known, key=lambda one: (one[0], -one[1]))[1]} if known else {}
    return {**row, "least": places.get("least"), "most": places.get("most")}


def _run(run: Run) -> dict[str, Any]:
    told = run.to_dict()
    seconds = None if run.ended is None else (run.ended - run.started) / 1000
    kept = ("id", "experiment", "name", "user", "status", "started", "ended")
    return {**{name: told[name] for name in kept}, "seconds": seconds}


_TOLD: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "data": lambda evidence: evidence.get("data"),
    "features": _feature_names,
    "metrics": lambda evidence: (evidence.get("metrics") or {}).get("test"),
    "explanations": _shares,
    "findings": lambda evidence: "leaks" in evidence,
    "code": _code,
}
"""Whether a version's evidence says anything of a part; its settings and what gates say of it are always known."""
