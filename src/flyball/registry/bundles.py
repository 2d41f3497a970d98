"""Bundle directories: `BUNDLES/MODEL/NUMBER`, written before the version is committed, so there may be one too many."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from flyball.core.canonical import sha256_hex
from flyball.core.failpoints import failpoint
from flyball.core.files import replace_directory
from flyball.ledger.entries import is_digest
from flyball.store import ArtifactStore
from flyball_runtime.errors import InternalError

__all__ = ["BundleRefused", "clean_bundles", "content_hash_of", "store_bundle"]

MANIFEST = "manifest.json"


class BundleRefused(InternalError):
    """The files handed in for registration are not those of a bundle of this model and number."""

    code = "FB-REG-011"


def content_hash_of(files: Mapping[str, bytes], model: str, number: int) -> str:
    """The content hash out of the bundle's manifest, once that names the right model and number.

    Raises BundleRefused.
    """
    try:
        manifest = json.loads(files[MANIFEST])
        named, content = (manifest["model"], manifest["version"]), manifest["content_hash"]
    except (KeyError, ValueError, TypeError) as error:
        raise BundleRefused(f"the bundle of {model}@{number} has no readable {MANIFEST}", why=repr(error)) from error
    if named != (model, number) or not is_digest(content):
        raise BundleRefused(
            f"the bundle's manifest is not that of {model}@{number}", why=f"it names {named[0]}@{named[1]}, {content!r}"
        )
    return str(content)


def store_bundle(artifacts: ArtifactStore, folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Keep every file as an artifact and lay the bundle's folder; return the digests by file name. Durable."""
    digests = {name: sha256_hex(data) for name, data in files.items()}
    for name, data in files.items():
        if not artifacts.has(digests[name]):
            artifacts.put(data)
    replace_directory(folder, files, label="registry.bundle")
    return digests


def clean_bundles(bundles: Path, known: Collection[tuple[str, int]]) -> list[Path]:
    """Remove the folders that belong to no version in `known`, and half-written ones; return what was removed."""
    wanted = {(model, str(number)) for model, number in known}
    doomed = [path for path in bundles.glob("*/*") if path.is_dir() and (path.parent.name, path.name) not in wanted]
    failpoint("registry.clean-bundles:before")
    for path in doomed:
        shutil.rmtree(path, ignore_errors=True)
        failpoint("registry.clean-bundles:removed")
    for parent in bundles.glob("*"):
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
    failpoint("registry.clean-bundles:after")
    return sorted(doomed)
