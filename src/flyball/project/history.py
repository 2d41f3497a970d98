"""Which version an alias named at a moment, and everything that stands behind it: one answer for whoever has to ask."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flyball.core.clock import rfc3339
from flyball.registry.names import split_reference
from flyball.registry.records import ENTRY_IMPORTED, AliasMove, ModelVersion
from flyball_runtime.errors import BadInput

if TYPE_CHECKING:
    from flyball.project.project import Project

__all__ = ["MomentInvalid", "served_at"]


class MomentInvalid(BadInput):
    """A moment is not written as a date and a time with its time zone, or a reference names no alias."""

    code = "FB-PROJECT-013"


def served_at(project: Project, ref: str, at: str | datetime | None = None) -> dict[str, Any]:
    """Which version NAME@ALIAS named at a moment (default: now), since and until when, who moved the alias there and why,
    what its gate said, and what the version was made of: evidence, data, run, code.

    `version` is None when the alias named none. Of the time before an import there is `stated`: what the source said of
    itself when it was imported, for which nobody here vouches. Raises MomentInvalid, NameRefused, ModelUnknown.
    """
    model, alias = split_reference(ref)
    if "@" not in ref or alias.isdigit() or alias == "latest":
        raise MomentInvalid(f"{ref!r} names no alias", fix=f"ask for an alias, such as {model}@production")
    moment = _moment(at, project.clock.now())
    project.registry.resolve(model)  # raises with near misses when there is no such model
    move, following = project.registry.alias_moves_around(model, alias, moment)
    version = None if move is None or move.number is None else project.registry.version(model, move.number)
    told: dict[str, Any] = {
        "model": model,
        "alias": alias,
        "at": rfc3339(moment),
        "version": None if version is None else version.number,
        "ref": None if version is None else version.ref,
        "since": None if move is None else move.time,
        "until": None if following is None else following.time,
        "moved": None if move is None else _move(move),
    }
    if version is not None:
        return {**told, **_behind(project, version)}
    return {**told, "stated": _stated(project, model, alias, moment) if move is None else None}


def _stated(project: Project, model: str, alias: str, moment: datetime) -> dict[str, Any] | None:
    """What the source of an import stated of an alias, when the moment lies before that import.

    Stores of MLflow know what an alias names and when each version was made, not since when the alias names it.
    """
    for entry in project.ledger.entries(subject=model, what=ENTRY_IMPORTED):
        if entry.subject != model or entry.time <= rfc3339(moment):
            continue
        payload = project.ledger.payload(entry.seq) or {}
        named = (payload.get("aliases") or {}).get(alias)
        if named is None:
            continue
        made = ((payload.get("versions") or {}).get(str(named)) or {}).get("created")
        existed = made is not None and made <= moment.timestamp() * 1000
        return {
            "by": payload.get("source"),
            "entry": entry.seq,
            "imported": entry.time,
            "version": named if existed else None,
            "named_at_import": named,
            "version_made": None if made is None else rfc3339(datetime.fromtimestamp(made / 1000, UTC)),
            "since": None,
        }
    return None


def _move(move: AliasMove) -> dict[str, Any]:
    return {"by": move.actor.to_dict(), "reason": move.reason, "entry": move.seq, "gate": move.details.get("gate")}


def _behind(project: Project, version: ModelVersion) -> dict[str, Any]:
    evidence = project.registry.evidence(version)
    data = evidence.get("data") or {}
    known = [one for one in project.registry.datasets() if one.version == version.dataset_version]
    return {
        "registered": {
            "by": version.actor.to_dict(),
            "reason": version.reason,
            "at": version.created,
            "entry": version.seq,
        },
        "evidence": {"digest": version.evidence_digest, "metrics": (evidence.get("metrics") or {}).get("test") or {}},
        "data": {
            "dataset": known[0].name if known else data.get("dataset"),
            "version": version.dataset_version,
            "inputs": data.get("inputs") or [],
        },
        "imported": evidence.get("imported"),
        "run": version.run_id,
        "code": evidence.get("code"),
        "content_hash": version.content_hash,
    }


def _moment(at: str | datetime | None, now: datetime) -> datetime:
    if at is None:
        return now
    try:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise MomentInvalid(
            f"{at!r} is not a moment with its time zone",
            fix=f"write it like {now.astimezone(UTC).isoformat(timespec='seconds')}",
        )
    return moment
