"""The world that a version was made in, out of the registry: its rows when they are at hand, else its bundle's profile."""

from __future__ import annotations

import numpy as np

from flyball.data import from_parquet
from flyball.monitoring.judging import Baseline
from flyball.monitoring.reference import Reference
from flyball.monitoring.watched import WATCHED_NAME, Watched
from flyball.registry import ModelVersion, Registry
from flyball.store import ArtifactCorrupt, ArtifactMissing
from flyball_runtime.arrays import ArraysInvalid
from flyball_runtime.profile import PROFILE_NAME, Profile
from flyball_runtime.schema import Field, Schema

__all__ = ["load_baseline"]


def load_baseline(registry: Registry, version: ModelVersion) -> tuple[Baseline, Schema]:
    """What to hold a version's windows against, and the input columns to read: those of the bundle's profile, which
    leaves out columns marked personal. Raises ArtifactMissing, ArtifactCorrupt when the bundle itself is damaged.
    """
    profile = Profile.from_bytes(registry.artifacts.read(version.files[PROFILE_NAME]))
    try:
        watched = _watched(registry, version)
        inputs = _rows(registry, version, watched, profile)
    except (ArtifactMissing, ArtifactCorrupt, ArraysInvalid):
        return Baseline(profile), profile.schema
    if watched is None or not watched.scores:
        return Baseline(inputs or profile), profile.schema
    schema = Schema(tuple(Field(name, "number") for name in watched.scores))
    return Baseline(inputs or profile, Reference(schema, watched.scores, watched.ordered)), profile.schema


def _watched(registry: Registry, version: ModelVersion) -> Watched | None:
    digest = registry.evidence(version)["artifacts"].get(WATCHED_NAME)
    return Watched.from_bytes(registry.artifacts.read(digest)) if digest else None


def _rows(registry: Registry, version: ModelVersion, watched: Watched | None, profile: Profile) -> Reference | None:
    """The training rows, unless they are not those that the profile was made of."""
    known = [one for one in registry.datasets() if one.version == version.dataset_version]
    if watched is None or not known or len(watched.rows) != int(profile.rows.sum()):
        return None
    table = from_parquet(registry.artifacts.read(known[0].artifact))
    rows = watched.rows
    if not len(rows) or rows.max() >= table.rows or any(name not in table for name in profile.schema.names):
        return None
    columns = {name: np.asarray(table[name][rows]) for name in profile.schema.names}
    return Reference(profile.schema, columns, watched.ordered)
