"""Where the project file overrules what the look found: found against chosen, with the evidence, for the ledger."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from flyball.core.canonical import digest_json
from flyball.ledger import Actor, Draft, Entry, Ledger
from flyball.pipeline.plain import plain
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.splitting import ROW_ORDER, Chosen

__all__ = ["OVERRULED", "RESTORED", "chosen_columns", "chosen_others", "identity", "record_overrules"]

OVERRULED = "look.overruled"  # the project file goes another way than the look
RESTORED = "look.restored"  # it did, and follows the look again
Overrule = Mapping[str, Any]


def chosen_columns(settings: LoopSettings, found: Mapping[str, Any], texts: Collection[str]) -> list[Overrule]:
    """Columns that are kept although the look would leave them out, or called public although they seem personal.

    `found`: the look as it may be shown; `texts`: personal columns that hold text. Each overrule says which setting of
    the project file makes it, what was found with its evidence, what was chosen, and whether that can flatter the model
    (`loosens`).
    """
    made: list[Overrule] = []
    for finding in [*found["leaks"], *found["columns"]]:
        column, kind = finding["column"], finding["kind"]
        if column in settings.keep and finding["action"] not in ("mark", "keep"):
            leak = kind == "leak"
            said = f"kept on request: {column}, although {_clause(finding)}"
            made.append(
                _overrule("leak kept" if leak else "column kept", column, "keep", finding, chosen="kept", text=said)
            )
        if kind == "personal data" and column in settings.public:
            said = f"not treated as personal on request: {column}, although it {finding['what'].split(':')[0]}"
            made.append(_overrule("personal denied", column, "public", finding, chosen="public", text=said))
    made += [
        _overrule(
            "personal learned from", column, "keep",
            {"action": "leave out", "what": "personal text", "why": "its values become part of the model", "evidence": {}},
            chosen="kept", text=f"kept on request: {column}, although it is personal text whose values become part of the model",
        )
        for column in texts if column in settings.keep
    ]  # fmt: skip
    return _once(made)


def chosen_others(
    settings: LoopSettings, chosen: Chosen, found: Mapping[str, Any], *, positive: tuple[Any, Any] | None,
    task: tuple[str, str],
) -> list[Overrule]:  # fmt: skip
    """A split, task or positive class that is not what was found. `positive` and `task`: (found, chosen)."""
    made: list[Overrule] = []
    if (chosen.kind, chosen.by) != (found["kind"], found["by"]):
        names = [_spoken(kind, by) for kind, by in ((found["kind"], found["by"]), (chosen.kind, chosen.by))]
        stricter = found["kind"] == "random" or (found["by"] == ROW_ORDER and chosen.kind == "time")
        setting = "split" if settings.split != "auto" else ("time" if chosen.kind == "time" else "group")
        finding = {"what": names[0], "why": found["why"], "action": names[0],
                   "evidence": {"confidence": found["confidence"]}}  # fmt: skip
        said = f"split {names[1]} on request, where the look would split {names[0]}: {found['why']}"
        made.append(_overrule("split", None, setting, finding, chosen=names[1], text=said, loosens=not stricter))
    for kind, pair in (("task", task), ("positive", positive)):
        if pair is not None and pair[0] != pair[1]:
            finding = {"what": str(pair[0]), "why": "taken unless the project file says otherwise",
                       "action": str(pair[0]), "evidence": {}}  # fmt: skip
            said = f"{kind} {pair[1]} on request, instead of {pair[0]}"
            made.append(_overrule(kind, None, kind, finding, chosen=str(pair[1]), text=said, loosens=False))
    return made


def identity(overrules: Sequence[Overrule]) -> list[list[str]]:
    """What makes overrules the same from run to run: not the evidence, which new data changes."""
    return sorted([one["kind"], one["column"] or "", one["setting"], one["chosen"]] for one in overrules)


def record_overrules(
    ledger: Ledger, model: str, overrules: Sequence[Overrule], *, dataset: str, actor: Actor, reason: str
) -> Entry | None:
    """Add an entry when a model's overrules are others than its newest entry says, also when the last one is gone.

    The entry, or None when nothing changed.
    """
    now = identity(overrules)
    with ledger.database.write("look.overrule") as tx:
        newest = next(iter(ledger.entries(subject=model, what="look", limit=1, newest=True)), None)
        if (newest.binds["overrules"] if newest else digest_json([])) == digest_json(now):
            return None
        payload = ledger.payload(newest.seq) if newest else None
        before: list[Overrule] = list(payload["overrules"]) if payload else []  # of an erased one nothing is known
        known = identity(before)
        added = [one for one in overrules if identity([one])[0] not in known]
        removed = [one for one in before if identity([one])[0] not in now]
        told = plain({"overrules": list(overrules), "added": added, "removed": removed})
        binds = {"dataset": dataset, "overrules": digest_json(now)}
        draft = Draft(OVERRULED if overrules else RESTORED, model, actor, reason, binds, told)
        return ledger.append(tx, draft)[0]


def _overrule(
    kind: str, column: str | None, setting: str, finding: Mapping[str, Any], *, chosen: str, text: str, loosens: bool = True
) -> Overrule:  # fmt: skip
    return {
        "kind": kind, "column": column, "setting": setting,
        "found": {name: finding[name] for name in ("action", "what", "why", "evidence")},
        "chosen": chosen, "loosens": loosens, "text": text,
    }  # fmt: skip


def _once(made: list[Overrule]) -> list[Overrule]:
    """One overrule for each column and kind: a column may have several findings of a kind."""
    return list({(one["kind"], one["column"]): one for one in reversed(made)}.values())[::-1]


def _clause(finding: Mapping[str, Any]) -> str:
    return f"it {finding['what']} ({finding['why']})"


def _spoken(kind: str, by: str | None) -> str:
    if kind == "random":
        return "at random"
    return f"by {kind}" + (", in the order of rows" if by == ROW_ORDER else f' ("{by}")' if by else "")
