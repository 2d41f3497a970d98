"""Is a project in good condition: its store, ledger, keys, artifacts, bundles and disk?"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from flyball.config import STATE_FOLDER, ProjectConfig
from flyball.core.clock import Clock
from flyball.core.counting import counted
from flyball.ledger import KeyMissing
from flyball.ledger.keys import key_rows
from flyball.registry import ModelVersion, Registry
from flyball.store import FileArtifacts
from flyball.upkeep.diagnosis import Check, failed, fine, problem, warning
from flyball.upkeep.references import bound_artifacts
from flyball_runtime.errors import FlyballError

__all__ = ["examine_disk", "examine_records", "examine_sources", "examine_store_file", "examine_store_url"]

_LEAST_BYTES = 100 << 20
_LEAST_FILES = 1_000
_SAMPLED_BLOBS = 20
_SAMPLED_BYTES = 256 << 20
_LEAD_S = 300.0  # seconds that a ledger may be ahead of this clock before one of them is wrong


def examine_disk(config: ProjectConfig, store: Path | None) -> Iterator[Check]:
    """Free space and free file entries against the store's size, where the store and where the artifacts lie.

    store: its file; None when a server keeps it, whose disk is not seen from here.
    """
    home = store.parent if store else config.folder / STATE_FOLDER
    size = sum(path.stat().st_size for path in home.glob(store.name + "*") if path.is_file()) if store else 0
    folder = config.artifacts_folder
    places = {"disk": home} | ({} if folder is None else {"disk of artifacts": folder})
    seen = set()
    for name, place in places.items():
        existing = next(path for path in (place, *place.parents) if path.exists())
        if existing.stat().st_dev in seen:
            continue
        seen.add(existing.stat().st_dev)
        yield _space(name, existing, size)


def _space(name: str, place: Path, size: int) -> Check:
    free, state = shutil.disk_usage(place).free, os.statvfs(place)
    facts: dict[str, Any] = {"free_bytes": free, "store_bytes": size, "free_files": state.f_favail}
    fix = "free some space: `flyball clean --dry-run` tells what the project could give back"
    if not os.access(place, os.W_OK):
        return fine(name, "read-only: nothing is written here", where=str(place), **facts)
    said = f"{free / 2**30:,.1f} GB free" + (f", the store takes {size / 2**20:,.1f} MB" if size else "")
    if state.f_files and state.f_favail < _LEAST_FILES:
        return problem(name, f"only {state.f_favail:,} more files fit on this disk", where=str(place), fix=fix, **facts)
    if free < _LEAST_BYTES:
        return problem(
            name, f"the disk is nearly full: {free / 2**20:,.1f} MB free", where=str(place), fix=fix, **facts
        )
    if free < 2 * size:
        why = "an upgrade copies the store, and `flyball clean` writes it anew"
        return warning(name, said, where=str(place), why=why, fix=fix, **facts)
    return fine(name, said, where=str(place), **facts)


def examine_store_file(store: Path) -> Check:
    """Whether the store may be written at all."""
    if not os.access(store.parent, os.W_OK) or not os.access(store, os.W_OK):
        return warning(
            "store writable", "the store is read-only", where=str(store),
            why="its folder or file may not be written by this account, or lies on read-only media",
            fix="`flyball audit verify` and `flyball doctor` work on it; everything else needs a copy that may be written",
        )  # fmt: skip
    return fine("store writable", "the store may be written")


def examine_store_url(config: ProjectConfig) -> Check:
    """Whether the URL of a store on a server shows a password to whoever reads the project file, or a backup of it."""
    _, separator, rest = config.project.store.partition("://")
    user, _, _ = rest.rpartition("@")
    if separator and (":" in user or "password=" in rest):
        return warning(
            "store url", "a password stands in the project file", where=config.where("project.store"),
            why="it goes along with every copy and backup of the project",
            fix="leave it out of the URL: PGPASSWORD or ~/.pgpass gives it to the driver",
        )  # fmt: skip
    return fine("store url", "the project file holds no password of the store")


def examine_sources(config: ProjectConfig) -> Check:
    """The tables that the project file names."""
    missing = [(name, data.source) for name, data in config.data.items() if not config.resolve(data.source).exists()]
    if missing:
        return warning(
            "data sources", f"{len(missing)} of {len(config.data)} data sources are not there",
            where=config.where(f"data.{missing[0][0]}.source"), why=", ".join(source for _, source in missing),
            fix="`flyball run` needs them; what is registered does not", sources=len(config.data), missing=len(missing),
        )  # fmt: skip
    return fine("data sources", f"{len(config.data)} there", sources=len(config.data))


def examine_records(config: ProjectConfig, registry: Registry, clock: Clock, *, deep: bool) -> Iterator[Check]:
    """Everything inside an open store. deep: every hash, instead of a sample of them."""
    parts: dict[str, Callable[[], Check]] = {
        "store integrity": lambda: _integrity(registry, deep=deep),
        "head.json": lambda: _witness(registry),
        "time": lambda: _time(registry, clock),
        "keys": lambda: _keys(registry),
        "artifacts": lambda: _artifacts(registry, deep=deep),
        "bundles": lambda: _bundles(registry),
        "leftovers": lambda: _leftovers(config, registry),
    }
    if deep:
        parts["audit"] = lambda: _audit(registry)
    for name, part in parts.items():
        try:
            yield part()
        except Exception as error:  # noqa: BLE001 - damage may show itself in any way, and the other checks go on
            yield failed(name, error)


def _integrity(registry: Registry, *, deep: bool) -> Check:
    damage = registry.database.integrity(quick=not deep)
    size = registry.database.size_bytes()
    if damage:
        return problem(
            "store integrity", "the database is damaged", where=registry.database.location, why="; ".join(damage[:3]),
            fix="put back a backup (flyball restore); `flyball audit verify` tells what is lost", store_bytes=size,
        )  # fmt: skip
    return fine("store integrity", f"the database is whole ({size / 2**20:,.1f} MB)", store_bytes=size)


def _witness(registry: Registry) -> Check:
    ledger = registry.ledger
    newest = ledger.newest_checkpoint()
    size = newest.size if newest else 0
    if newest is None:
        return problem("head.json", "the ledger has no checkpoint", fix="flyball audit verify", entries=0)
    with ledger.database.read() as reader:
        rolled_back = ledger.rolled_back(reader)
    if rolled_back:
        return problem(
            "head.json", "the store is older than its own last checkpoint", where=str(ledger.head),
            why="this file holds a signed checkpoint that the ledger does not: it was rolled back",
            fix="put the newest store back; for a deliberate return to a backup, move head.json away", entries=size,
        )  # fmt: skip
    if not ledger.head.is_file():
        return warning(
            "head.json", "the witness of the newest checkpoint is missing", where=str(ledger.head),
            fix="the next command that writes makes it anew; hold the ledger against a checkpoint kept elsewhere: "
            "flyball audit verify --checkpoint FILE", entries=size,
        )  # fmt: skip
    return fine("head.json", f"agrees with the ledger of {size:,} entries", entries=size)


def _time(registry: Registry, clock: Clock) -> Check:
    newest = registry.ledger.newest_checkpoint()
    if newest is None:
        return fine("time", "nothing to compare with")
    ahead = round((datetime.fromisoformat(newest.time) - clock.now()).total_seconds())
    if ahead > _LEAD_S:
        return problem(
            "time", "the newest entry of the ledger lies in the future", where=f"entry {newest.size}, {newest.time}",
            why=f"it is {ahead / 3600:,.1f} hours ahead of this machine's clock",
            fix="set this machine's clock; if the entry was written under a wrong clock, it stays so", ahead_s=ahead,
        )  # fmt: skip
    return fine("time", f"the newest entry is of {newest.time[:19]}Z", ahead_s=ahead)


def _keys(registry: Registry) -> Check:
    """The private halves: there, usable, readable by their owner alone, and none that was revoked."""
    files = registry.ledger.keys
    with registry.database.read() as reader:
        known = {key.id: key.status for key in key_rows(reader)}
    facts: dict[str, Any] = {"keys": len(known)}
    for identity in (identity for identity, status in known.items() if status == "current"):
        try:
            files.sign(identity, b"examined")
        except KeyMissing as error:
            return problem(
                "keys", error.what, where=error.where, why=error.why, fix=error.fix or "flyball keys rotate", **facts
            )
    present = sorted(files.folder.glob("*.pem*")) if files.folder.is_dir() else []
    for path in (files.folder, *present):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            return problem(
                "keys", "a private key may be read by others", where=str(path), why=f"its mode is {mode:o}",
                fix=f"chmod {'700' if path.is_dir() else '600'} {path}, and consider `flyball keys rotate`", **facts,
            )  # fmt: skip
    for path in present:
        status = known.get(path.name.partition(".")[0])
        if status == "revoked":
            return problem(
                "keys", "the private half of a revoked key is still here", where=str(path),
                fix=f"flyball keys revoke {path.name[:12]} --reason again   removes it", **facts,
            )  # fmt: skip
        if status is None:
            return warning(
                "keys", "a private key lies here that the ledger does not know", where=str(path),
                fix="an interrupted rotation left it; if you did not put it there, remove it", **facts,
            )  # fmt: skip
    return fine("keys", f"{len(known)} known, {len(present)} private halves, readable by you alone", **facts)


def _artifacts(registry: Registry, *, deep: bool) -> Check:
    """Those that entries bind are all there; their content is read in a sample, spread evenly, or whole."""
    store, bound = registry.artifacts, bound_artifacts(registry.ledger)
    missing = [digest for digest in bound if not store.has(digest)]
    facts: dict[str, Any] = {"bound": len(bound), "missing": len(missing)}
    if missing:
        return problem(
            "artifacts", f"{len(missing)} of {counted(len(bound), 'artifact')} that the ledger binds are missing",
            where=f"artifact {missing[0]}", why=f"it is the {bound[missing[0]]}", fix="put them back from a backup", **facts,
        )  # fmt: skip
    ordered = sorted(bound)
    every = 1 if deep else max(1, len(ordered) // _SAMPLED_BLOBS)
    read = size = 0
    for digest in ordered[::every]:
        size += store.size(digest)
        if size > _SAMPLED_BYTES and not deep and read:
            break
        try:
            with store.open(digest) as stream:
                while stream.read(1 << 20):
                    pass
        except FlyballError as error:
            return problem(
                "artifacts", error.what, where=error.where, why=error.why, fix="put it back from a backup", **facts
            )
        read += 1
    said = f"{len(bound)} there, the content of {'each' if read == len(bound) else read} is whole"
    return fine("artifacts", said, read=read, **facts)


def _bundles(registry: Registry) -> Check:
    versions = [version for model in registry.models() for version in registry.versions(model.name) if version.files]
    lost = [version for version in versions if not version.bundle_path.is_dir()]
    facts: dict[str, Any] = {"versions": len(versions), "lost": len(lost)}
    for version in versions:
        wrong = _differs(registry, version) if version not in lost else None
        if wrong:
            return problem(
                "bundles", f"the bundle of {version.ref} is not the one that was registered",
                where=str(version.bundle_path), why=wrong,
                fix="move its folder away: it is restored from the artifacts when it is next used", **facts,
            )  # fmt: skip
    if lost:
        return warning(
            "bundles", f"{len(lost)} of {counted(len(versions), 'bundle')} {'has' if len(lost) == 1 else 'have'} no folder",
            where=str(lost[0].bundle_path),
            fix="nothing is lost: it is restored from the artifacts when it is next used", **facts,
        )  # fmt: skip
    return fine("bundles", f"{len(versions)} there", **facts)


def _differs(registry: Registry, version: ModelVersion) -> str | None:
    present = {path.name for path in version.bundle_path.iterdir()}
    if present != version.files.keys():
        return f"its files differ: {', '.join(sorted(present ^ version.files.keys()))}"
    for name, digest in version.files.items():
        if registry.artifacts.has(digest) and (version.bundle_path / name).stat().st_size != registry.artifacts.size(
            digest
        ):
            return f"{name} is of another size"
    return None


def _leftovers(config: ProjectConfig, registry: Registry) -> Check:
    """What processes that died left behind: harmless, and tidied up by the next run."""
    home = registry.database.folder
    alive = {run.id for run in registry.running()}
    dead = [run for run in registry.runs() if run.finished is None and run.id not in alive]
    staged = []
    if isinstance(registry.artifacts, FileArtifacts):  # of an object store, a server tidies up every hour
        staged = [path for path in (registry.artifacts.root / "staging").glob("*") if path.is_file()]
    hidden = list((config.folder / STATE_FOLDER).rglob(".*.tmp"))
    copies = list(home.glob(registry.database.beside("backup-*").name))
    locks = [path for path in (home / "runs").glob("*.lock") if path.stem not in alive]
    facts: dict[str, Any] = {
        "interrupted_runs": len(dead), "half_written": len(staged) + len(hidden), "stale_locks": len(locks),
        "upgrade_copies": len(copies), "upgrade_copies_bytes": sum(path.stat().st_size for path in copies),
        "running": len(alive),
    }  # fmt: skip
    if dead or staged or hidden or locks:
        said = f"{len(dead)} interrupted runs, {len(staged) + len(hidden)} half-written files, {len(locks)} stale locks"
        return warning(
            "leftovers",
            said,
            where=str(home),
            fix="the next `flyball run` tidies up; nothing waits for them",
            **facts,
        )
    return fine("leftovers", f"none; {len(alive)} runs under way, {len(copies)} copies from upgrades", **facts)


def _audit(registry: Registry) -> Check:
    verification = registry.verify()
    facts: dict[str, Any] = {"entries": verification.entries, "problems": len(verification.problems)}
    if verification.ok:
        return fine("audit", f"{counted(verification.entries, 'entry')}: every hash holds", **facts)
    first = verification.problems[0]
    return problem(
        "audit", f"{counted(len(verification.problems), 'problem')} in the ledger and what it vouches for", where=first.where,
        why=f"{first.code}: {first.what}", fix="flyball audit verify names each", **facts,
    )  # fmt: skip
