"""Does the look at the data tell the truth? Real tables with nothing configured, and generated controls.

`python -m benchmarks honesty` runs both parts. One part: `python -m benchmarks.honesty real [TABLE …]` takes about two
minutes a table; `python -m benchmarks.honesty controls [--seeds N] [KIND …]` takes minutes in all.

real: `flyball init` and `flyball run --budget 60s` on real tables, every claim of the product about them. controls: `look`
on generated tables: clean ones, in which whatever is found is false, and planted ones. Targets: all claims hold; at most 2
false findings in 40 clean tables; 36 of 40 plants found, each kind at least once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._tables import data_folder
from benchmarks.honesty_cases.clean import CLEAN
from benchmarks.honesty_cases.controls import clean_trial, planted_trial, summary
from benchmarks.honesty_cases.planted import PLANTED
from benchmarks.honesty_cases.real import CASES, run_case

__all__ = ["controls", "main", "real"]

_SEEDS = 3


def main() -> dict[str, Any]:
    """Both parts. Where the real tables are not at hand, `python -m benchmarks.honesty controls` runs without them."""
    data_folder()
    parts = {"controls": controls(), "real": real()}
    return {**parts, "met": all(part["met"] for part in parts.values())}


def real(names: Sequence[str] = ()) -> dict[str, Any]:
    """One line for each claim about each real table."""
    print(f"{'table':<20} {'claim':<36} {'':<5} seen")
    tables = []
    for case in CASES:
        if names and case.name not in names:
            continue
        table = run_case(case)
        tables.append(table)
        for claim in table["claims"]:
            mark = "ok" if claim["holds"] else "MISS"
            print(f"{case.name:<20} {claim['claim']:<36} {mark:<5} {claim['seen'][:110]}", flush=True)
    missed = sum(not claim["holds"] for table in tables for claim in table["claims"])
    claims = sum(len(table["claims"]) for table in tables)
    print(f"real tables: {claims - missed} of {claims} claims hold")
    return {"tables": tables, "claims": claims, "missed": missed, "met": missed == 0}


def controls(kinds: Sequence[str] = (), seeds: int = _SEEDS) -> dict[str, Any]:
    """One line for each kind of generated table."""
    clean = _trials("clean", [kind for kind in CLEAN if not kinds or kind in kinds], seeds, clean_trial, _clean_line)
    planted = _trials(
        "planted", [kind for kind in PLANTED if not kinds or kind in kinds], seeds, planted_trial, _planted_line
    )
    totals = summary(clean, planted)
    unseen = [kind for kind in PLANTED if not any(t["found"] for t in planted if t["kind"] == kind)]
    unseen = [kind for kind in unseen if not kinds or kind in kinds]
    print(
        f"clean: {totals['false_findings']} false findings in {totals['clean_tables']} tables"
        f" ({totals['false_per_40']} in 40; target: at most 2)\n"
        f"planted: {totals['found']} of {totals['planted_tables']} found ({totals['found_per_40']} of 40; target: 36);"
        f" {totals['other_findings_in_planted']} other findings; kinds never found: {', '.join(unseen) or 'none'}"
    )
    met = totals["false_per_40"] <= 2 and (not planted or totals["found_per_40"] >= 36) and not unseen
    return {**totals, "never_found": unseen, "clean": clean, "planted": planted, "met": met}


def _trials(
    part: str,
    kinds: Sequence[str],
    seeds: int,
    trial: Callable[[str, int], dict[str, Any]],
    line: Callable[[Sequence[Mapping[str, Any]]], str],
) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for kind in kinds:
        found = [trial(kind, seed) for seed in range(seeds)]
        slowest = max(item["seconds"] for item in found)
        print(f"{part:<8} {kind:<42} {line(found)}  {slowest:6.1f} s at most", flush=True)
        made += found
    return made


def _clean_line(trials: Sequence[Mapping[str, Any]]) -> str:
    said = [text for item in trials for text in item["false"]]
    return f"{len(said)} false" + "".join(f"\n           {text[:170]}" for text in said)


def _planted_line(trials: Sequence[Mapping[str, Any]]) -> str:
    lost = [item for item in trials if not item["found"]]
    lines = [f"missed (seed {item['seed']}): {'; '.join(item['seen'])[:150]}" for item in lost]
    lines += [
        f"not all named (seed {item['seed']}): {'; '.join(item['seen'])[:150]}" for item in trials if not item["whole"]
    ]
    lines += [f"also: {text[:150]}" for item in trials for text in item["others"]]
    return f"{len(trials) - len(lost)}/{len(trials)}" + "".join(f"\n           {text}" for text in lines)


def _one_part(arguments: list[str]) -> int:
    """0 when the part's targets were met; its result goes to benchmarks/results/honesty-PART.json."""
    part, *rest = arguments or ["controls"]
    if part == "real":
        result = real(rest)
    elif part == "controls":
        seeds = int(rest.pop(rest.index("--seeds") + 1)) if "--seeds" in rest else _SEEDS
        result = controls([kind for kind in rest if kind != "--seeds"], seeds)
    else:
        print("say real or controls", file=sys.stderr)
        return 2
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"honesty-{part}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0 if result["met"] else 1


if __name__ == "__main__":
    sys.exit(_one_part(sys.argv[1:]))
