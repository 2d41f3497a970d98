"""Moving an alias through its gate: judged first, and the ledger told either way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flyball.core.canonical import digest_json
from flyball.governance.rules import NoWorseThan, Where, parse_rules
from flyball.governance.verdict import GateRefused, Verdict, judge
from flyball.ledger import Actor, Draft

if TYPE_CHECKING:
    from flyball.registry import AliasMove, ModelVersion, Registry

__all__ = ["judge_evidence", "judge_version", "promote"]


def judge_version(
    registry: Registry, version: ModelVersion, alias: str, rules: Mapping[str, Any], *, where: Where | None = None
) -> Verdict:
    """What the gate of `alias` says of a version now; changes nothing. Raises what `judge_evidence` raises."""
    evidence = registry.evidence(version)
    return judge_evidence(registry, version.model, evidence, alias, rules, number=version.number, where=where)


def judge_evidence(
    registry: Registry,
    model: str,
    evidence: Mapping[str, Any],
    gate: str,
    rules: Mapping[str, Any],
    *,
    number: int | None = None,
    where: Where | None = None,
) -> Verdict:
    """What a gate says now of a model's evidence; changes nothing.

    number: the version that the evidence is of, None when it is not registered. `no_worse_than` is held against the
    version that its alias names; against none, or the version itself, it passes. Raises RuleInvalid or UnknownMetric.
    """
    parsed = parse_rules(gate, rules, where)
    wanted = next((rule.alias for rule in parsed if isinstance(rule, NoWorseThan)), None)
    held = {now.alias: now.number for now in registry.aliases(model)} if wanted else {}
    holder = registry.version(model, held[wanted]) if wanted in held else None
    reference = registry.evidence(holder) if holder is not None and holder.number != number else None
    name = holder.ref if holder is not None else None
    return judge(gate, parsed, evidence, reference=reference, reference_name=name)


def promote(
    registry: Registry,
    version: ModelVersion,
    alias: str,
    rules: Mapping[str, Any],
    actor: Actor,
    *,
    reason: str,
    where: Where | None = None,
) -> AliasMove:
    """Point `alias` at `version` if the alias's gate lets it.

    rules: the `[gate.ALIAS]` section, empty when the project has no such gate. The verdict and the move become durable
    together; a refusal enters the ledger too (`gate.refused`), and nothing else changes. Raises GateRefused,
    RuleInvalid, and what `Registry.move_alias` raises for a bad name or an alias that moved meanwhile.
    """
    holder = next((now.number for now in registry.aliases(version.model) if now.alias == alias), None)
    verdict = judge_version(registry, version, alias, rules, where=where)
    subject = f"{version.model}@{version.number}"
    binds = {"version": version.entry, "evidence": version.evidence_digest, "rules": digest_json(dict(rules))}
    payload = {**verdict.to_dict(), "alias": alias, "rules": dict(rules)}
    if not verdict.passed:
        with registry.database.write("governance.refuse") as transaction:
            registry.ledger.append(transaction, Draft("gate.refused", subject, actor, reason, binds, payload))
        raise GateRefused(subject, verdict)
    before = [Draft("gate.passed", subject, actor, reason, binds, payload)] if rules else []
    details = {"gate": verdict.to_dict()} if rules else None
    return registry.move_alias(
        version.model,
        alias,
        version.number,
        actor,
        reason,
        payload=details,
        before=before,
        expected_holder=holder,
    )
