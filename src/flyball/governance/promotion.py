"""Moving an alias through its gate: judged first, and the ledger told either way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from flyball.core.canonical import digest_json
from flyball.governance.rules import NoWorseThan, Where, parse_rules
from flyball.governance.verdict import GateRefused, Verdict, judge
from flyball.ledger import Actor, Draft

if TYPE_CHECKING:
    from flyball.registry import AliasMove, ModelVersion, Registry

__all__ = ["Compare", "judge_evidence", "judge_version", "let_pass", "promote"]

# Two registered versions on the rows that the first was tested on, as `comparisons.champion` of an evidence document;
# None where that cannot be had.
Compare: TypeAlias = "Callable[[ModelVersion, ModelVersion], Mapping[str, Any] | None]"


def judge_version(
    registry: Registry,
    version: ModelVersion,
    alias: str,
    rules: Mapping[str, Any],
    *,
    where: Where | None = None,
    compare: Compare | None = None,
) -> Verdict:
    """What the gate of `alias` says of a version now; changes nothing. Raises what `judge_evidence` raises.

    compare: how to hold the version against one that its evidence does not compare it with.
    """
    evidence = registry.evidence(version)
    against = None if compare is None else lambda holder: compare(version, holder)
    return judge_evidence(
        registry, version.model, evidence, alias, rules, number=version.number, where=where, against=against
    )


def judge_evidence(
    registry: Registry,
    model: str,
    evidence: Mapping[str, Any],
    gate: str,
    rules: Mapping[str, Any],
    *,
    number: int | None = None,
    where: Where | None = None,
    against: Callable[[ModelVersion], Mapping[str, Any] | None] | None = None,
) -> Verdict:
    """What a gate says now of a model's evidence; changes nothing.

    number: the version that the evidence is of, None when it is not registered. `no_worse_than` is held against the
    version that its alias names, by the paired comparison in the evidence, or else by what `against` answers for that
    version; against none, or the version itself, it passes. Raises RuleInvalid or UnknownMetric.
    """
    parsed = parse_rules(gate, rules, where)
    wanted = next((rule.alias for rule in parsed if isinstance(rule, NoWorseThan)), None)
    held = {now.alias: now.number for now in registry.aliases(model)} if wanted else {}
    holder = registry.version(model, held[wanted]) if wanted in held else None
    reference = registry.evidence(holder) if holder is not None and holder.number != number else None
    name = holder.ref if holder is not None else None
    paired = None
    if holder is not None and reference is not None:
        paired = _kept(evidence, holder) or (against(holder) if against is not None else None)
    return judge(gate, parsed, evidence, reference=reference, reference_name=name, paired=paired)


def _kept(evidence: Mapping[str, Any], holder: ModelVersion) -> Mapping[str, Any] | None:
    """The comparison with this very version that the evidence holds; versions made before comparisons hold none."""
    found = (evidence.get("comparisons") or {}).get("champion")
    return found if found is not None and found.get("with") == holder.ref else None


def let_pass(
    registry: Registry,
    version: ModelVersion,
    gate: str,
    rules: Mapping[str, Any],
    actor: Actor,
    *,
    reason: str,
    where: Where | None = None,
    compare: Compare | None = None,
) -> tuple[Verdict, list[Draft]]:
    """The verdict of a gate that lets a version pass, and the entries that are to become durable with what follows.

    A refusal enters the ledger at once. Raises GateRefused, RuleInvalid.
    """
    verdict = judge_version(registry, version, gate, rules, where=where, compare=compare)
    binds = {"version": version.entry, "evidence": version.evidence_digest, "rules": digest_json(dict(rules))}
    payload = {**verdict.to_dict(), "alias": gate, "rules": dict(rules)}
    if not verdict.passed:
        with registry.database.write("governance.refuse") as transaction:
            registry.ledger.append(transaction, Draft("gate.refused", version.ref, actor, reason, binds, payload))
        raise GateRefused(version.ref, verdict)
    return verdict, [Draft("gate.passed", version.ref, actor, reason, binds, payload)] if rules else []


def promote(
    registry: Registry,
    version: ModelVersion,
    alias: str,
    rules: Mapping[str, Any],
    actor: Actor,
    *,
    reason: str,
    where: Where | None = None,
    compare: Compare | None = None,
) -> AliasMove:
    """Point `alias` at `version` if the alias's gate lets it.

    rules: the `[gate.ALIAS]` section, empty when the project has no such gate. The verdict and the move become durable
    together; a refusal enters the ledger too (`gate.refused`), and nothing else changes. Raises GateRefused,
    RuleInvalid, and what `Registry.move_alias` raises for a bad name or an alias that moved meanwhile.
    """
    holder = next((now.number for now in registry.aliases(version.model) if now.alias == alias), None)
    verdict, before = let_pass(registry, version, alias, rules, actor, reason=reason, where=where, compare=compare)
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
