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

__all__ = ["judge_version", "promote"]


def judge_version(
    registry: Registry, version: ModelVersion, alias: str, rules: Mapping[str, Any], *, where: Where | None = None
) -> Verdict:
    """What the gate of `alias` says of a version now; changes nothing.

    `no_worse_than` is held against the version that its alias names; against none, or the version itself, it passes.
    """
    parsed = parse_rules(alias, rules, where)
    named = {now.alias: now.number for now in registry.aliases(version.model)}
    wanted = next((rule.alias for rule in parsed if isinstance(rule, NoWorseThan)), None)
    holder = named.get(wanted) if wanted else None
    reference = None
    if holder is not None and holder != version.number:
        reference = registry.evidence(registry.version(version.model, holder))
    name = f"{version.model}@{holder}" if holder is not None else None
    return judge(alias, parsed, registry.evidence(version), reference=reference, reference_name=name)


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
    RuleInvalid, and what `Registry.move_alias` raises for a bad name.
    """
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
    return registry.move_alias(version.model, alias, version.number, actor, reason, payload=details, before=before)
