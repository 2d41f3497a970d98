"""Files: are artifacts and bundles, byte for byte, what the entries bound?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from flyball.ledger.audit.chain import History
from flyball.ledger.audit.findings import Findings
from flyball.ledger.audit.rows import shown
from flyball.ledger.entries import Entry
from flyball.store import ArtifactCorrupt, ArtifactMissing, ArtifactStore
from flyball_runtime.errors import FlyballError

__all__ = ["check_artifacts", "check_bundles", "kept_checkpoints"]

_LARGEST_MANIFEST = 64 << 20


def kept_checkpoints(
    findings: Findings, given: Iterable[object], head: Path, bundles: Path | None
) -> list[tuple[str, object]]:
    """Every checkpoint kept outside the tables: those given (JSON, or files of it), head.json, those in bundles."""
    found: list[tuple[str, object]] = []
    for number, item in enumerate(given, 1):
        where = str(item) if isinstance(item, str | Path) else f"checkpoint given ({number})"
        for raw in _read_json(findings, Path(item), where) if isinstance(item, str | Path) else [item]:
            found += [(where, one) for one in (raw if isinstance(raw, list) else [raw])]
    if head.exists():
        found += [(head.name, raw) for raw in _read_json(findings, head, head.name)]
    for manifest in sorted(bundles.glob("*/*/manifest.json")) if bundles else []:
        name = "/".join(manifest.parts[-3:-1])
        if name.split("/")[1].startswith("."):
            continue
        checkpoint = _bound_checkpoint(manifest)
        if checkpoint is not None:
            found.append((f"the checkpoint in bundle {name}", checkpoint))
    return found


def _read_json(findings: Findings, path: Path, where: str) -> list[object]:
    """The one value in the file, or nothing and a finding."""
    try:
        return [json.loads(path.read_bytes())]
    except (OSError, ValueError, RecursionError) as error:
        findings.add("FB-AUDIT-009", where, f"it cannot be read: {shown(str(error))}")
        return []


def _bound_checkpoint(manifest: Path) -> object:
    """What a manifest carries, or None; whether the manifest itself is whole is judged with its bundle."""
    try:
        if manifest.stat().st_size > _LARGEST_MANIFEST:
            return None
        return json.loads(manifest.read_bytes())["provenance"]["checkpoint"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def check_artifacts(findings: Findings, history: History, artifacts: ArtifactStore) -> int:
    """Read every blob, and look for every one that an entry binds; return how many were read."""
    present = set()
    for digest in artifacts.digests():
        present.add(digest)
        try:
            with artifacts.open(digest) as stream:
                while stream.read(1 << 20):
                    pass
        except (ArtifactCorrupt, ArtifactMissing) as error:
            findings.add("FB-AUDIT-019", f"artifact {digest}", error.why or error.what)
        except (OSError, FlyballError) as error:
            findings.add("FB-AUDIT-019", f"artifact {digest}", f"it cannot be read: {shown(str(error))}")
    for seq, entry in history.entries.items():
        for name, digest in entry.binds.items():
            if name.startswith(("artifact:", "file:")) and digest not in present:
                bound = f"entry {seq} ({entry.what} of {entry.subject}) binds it as {name.split(':', 1)[1]}"
                findings.add("FB-AUDIT-018", f"artifact {digest}", bound)
    return len(present)


def check_bundles(findings: Findings, history: History, bundles: Path) -> int:
    """Hold `bundles/NAME/NUMBER` against the `file:` digests of the entry of subject NAME@NUMBER."""
    known = set()
    for seq, entry in history.entries.items():
        files = {name[5:]: digest for name, digest in entry.binds.items() if name.startswith("file:")}
        folder = _folder(bundles, entry)
        if not files or folder is None:
            continue
        known.add(folder)
        try:
            _check_folder(findings, folder, files, f"bundle {entry.subject}")
        except OSError as error:
            findings.add(
                "FB-AUDIT-020", f"bundle {entry.subject}", f"it cannot be read: {error.strerror} (entry {seq})"
            )
    for folder in sorted(bundles.glob("*/*")):
        if folder not in known and not folder.name.startswith("."):
            findings.note(f"{'/'.join(folder.parts[-2:])} holds no registered bundle: an interrupted run left it")
    return len(known)


def _folder(bundles: Path, entry: Entry) -> Path | None:
    name, _, number = entry.subject.rpartition("@")
    plain = name and "/" not in name and name not in (".", "..") and number.isascii() and number.isdigit()
    return bundles / name / number if plain else None


def _check_folder(findings: Findings, folder: Path, files: dict[str, str], where: str) -> None:
    if not folder.is_dir() or folder.is_symlink():
        findings.add("FB-AUDIT-020", where, f"there is no folder {'/'.join(folder.parts[-3:])}")
        return
    present = {path.name: path for path in folder.iterdir()}
    for name in sorted(files.keys() | present.keys()):
        path = present.get(name)
        if path is None:
            findings.add("FB-AUDIT-020", where, f"{name} is missing")
        elif name not in files:
            findings.add("FB-AUDIT-020", where, f"{shown(name)} was added")
        elif path.is_symlink() or not path.is_file():
            findings.add("FB-AUDIT-020", where, f"{name} is not a plain file")
        else:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != files[name]:
                    findings.add("FB-AUDIT-020", where, f"{name} was edited")
