"""Where artifacts may be kept: a folder, or a bucket of an object store."""

from __future__ import annotations

from pathlib import Path

from flyball.store.artifacts import ArtifactStore
from flyball.store.file_artifacts import FileArtifacts

__all__ = ["open_artifacts"]


def open_artifacts(place: str | Path, *, links: bool = True) -> ArtifactStore:
    """The artifact store at a folder, or at a URL such as `s3://bucket/prefix`. Nothing is asked of it yet.

    links: whether clients may be sent to an object store itself, by links that it signs; else all goes through us.
    Raises ArtifactPlaceInvalid.
    """
    if isinstance(place, str) and "://" in place:
        from flyball.store.object_artifacts import ObjectArtifacts

        return ObjectArtifacts(place, links=links)
    return FileArtifacts(Path(place))
