"""The features that a version makes from related tables, in words, with what each bought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["related_features"]


def related_features(evidence: Mapping[str, Any]) -> dict[str, Any] | None:
    """How the tables of a version hang together, every feature made from them, and what was found of its worth.

    None for a version of one table.
    """
    related: Mapping[str, Any] = evidence["data"].get("related") or {}
    if not related:
        return None
    judged: Mapping[str, Any] = evidence.get("features") or {}
    told = {one["name"]: one for one in judged.get("features", ())}
    left_out = {one["column"]: one["why"] for one in evidence["data"]["left_out"]}
    used = set(evidence["data"]["used"])
    features = [
        {
            **{name: one[name] for name in ("name", "text", "function", "column", "window_s", "lag_s")},
            "tables": list(dict.fromkeys(hop[1] for hop in one["hops"])),
            "declared": bool(one.get("declared")),
            "gain": told.get(one["name"], {}).get("gain"),
            "kept": one["name"] in used,
            "why": told.get(one["name"], {}).get("why") or left_out.get(one["name"], ""),
        }
        for one in related.get("features", ())
    ]
    features.sort(key=lambda one: (not one["kept"], -((one["gain"] or {}).get("value") or 0.0)))
    return {
        "relations": related.get("relations", {}),
        "said": related.get("notes", []),
        "features": features,
        **{name: judged.get(name) for name in ("loss", "rows", "folds", "together", "everything", "bought", "text")},
    }
