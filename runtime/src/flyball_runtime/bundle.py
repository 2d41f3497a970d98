"""Open a bundle: read its files once, prove that they are the ones that were made, and score with those very bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime import golden
from flyball_runtime.errors import BadInput, Refused, near_miss
from flyball_runtime.manifest import (
    MANIFEST_NAME,
    SIGNATURE_NAME,
    BundleUnsupported,
    TellsTime,
    check_fits_runtime,
    content_hash,
    inputs_of,
    parse_manifest,
)
from flyball_runtime.onnxfile import check_graph_is_closed
from flyball_runtime.profile import PROFILE_NAME, Profile
from flyball_runtime.schema import Schema
from flyball_runtime.score import Scorer, class_values
from flyball_runtime.session import Session
from flyball_runtime.signature import verify_files
from flyball_runtime.table import normalise, read_columns
from flyball_runtime.trust import Trust
from flyball_runtime.windowed import Windowed

__all__ = ["Bundle", "BundleDamaged", "BundleUnreadable", "BundleUnsigned", "open_bundle", "open_files", "read_files"]

GRAPH_NAME = "model.onnx"
_LARGEST = {MANIFEST_NAME: 64 * 2**20, SIGNATURE_NAME: 4 * 2**20}
_LARGEST_FILE = 2**31 - 1
_MOST_FILES = 64
_STREAMED = 17  # golden rows at a time


class BundleUnreadable(BadInput):
    """There is no bundle at that path: no such folder, no manifest in it, or something in it is not a plain file."""

    code = "FB-BUNDLE-005"


class BundleDamaged(Refused):
    """A bundle's files are not those that its manifest lists: one was edited, is missing or does not belong there."""

    code = "FB-BUNDLE-006"


class BundleUnsigned(Refused):
    """Keys to trust were given, but the bundle carries no signature."""

    code = "FB-SIGN-006"


class Bundle:
    """A model version, verified and ready to score. Threads may share one. Made by `open_bundle`."""

    def __init__(
        self, files: Mapping[str, bytes], manifest: dict[str, Any], *, signer: str | None, threads: int = 1
    ) -> None:
        self.files = dict(files)
        self.manifest = manifest
        self.signer = signer
        self.inputs: Schema = inputs_of(manifest)
        self.task: str = manifest["task"]
        self.content_hash: str = manifest["content_hash"]
        regression = self.task == "regression"
        self.classes = None if regression else class_values(manifest["classes"], manifest["class_type"])
        self.windowed = Windowed.of(manifest, self.inputs)
        columns = self.inputs if self.windowed is None else self.windowed.columns
        self.scorer = Scorer(files[GRAPH_NAME], columns, self.task, self.classes, threads=threads)

    @property
    def authentic(self) -> bool:
        """True only when a trusted, unrevoked key signed exactly these files; `signer` is then that key's id."""
        return self.signer is not None

    def score(self, table: Any, *, margin: bool = False) -> dict[str, NDArray[Any]]:
        """Predictions for a table: see `Scorer.score`. Columns that the model does not use are passed over.

        A model with window features takes the table's rows for the whole past of their entities, in any order; rows that
        go on from earlier ones are for a `session`.
        """
        if self.windowed is None:
            return self.scorer.score(table, margin=margin)
        columns = normalise(read_columns(table), self.inputs)
        return self.scorer.score(self.windowed.of_table(columns), margin=margin)

    def session(self, state: bytes | None = None) -> Session:
        """A stream of rows through this bundle, from the beginning or from a saved state. Raises StateInvalid."""
        return Session(self, state)

    def reference(self) -> Profile | None:
        """The profile of the training data, where the bundle carries one."""
        return Profile.from_bytes(self.files[PROFILE_NAME]) if PROFILE_NAME in self.files else None

    def check_golden(self) -> float:
        """Score the golden rows again; the largest difference from what they should give, over max(1, |expected|).

        A model with window features answers them as one table and as they would come, a few at a time and across saved
        states. Labels that differ count as infinite. Raises BundleUnsupported when the bundle carries no golden rows.
        """
        if golden.GOLDEN_NAME not in self.files:
            raise BundleUnsupported("the bundle carries no golden rows", fix="export the model again")
        columns, expected, _ = golden.unpack(self.files[golden.GOLDEN_NAME])
        at = self.manifest.get("set_thresholds")
        thresholds = None if at is None else np.array(at, dtype=np.float64)
        margin = "margin" in expected
        answers = [self.score(columns, margin=margin)]
        if self.windowed is not None:
            answers.append(self._streamed(columns, margin=margin))
        return max(golden.difference(expected, answer, thresholds=thresholds) for answer in answers)

    def _streamed(self, columns: Mapping[str, NDArray[Any]], *, margin: bool) -> dict[str, NDArray[Any]]:
        """Outputs for rows as they come, in pieces of a few rows, each piece by a session of its own."""
        rows = len(next(iter(columns.values())))
        parts: list[dict[str, NDArray[Any]]] = []
        state: bytes | None = None
        for begin in range(0, rows, _STREAMED):
            session = self.session(state)
            piece = {name: values[begin : begin + _STREAMED] for name, values in columns.items()}
            parts.append(session.push(piece, margin=margin))
            state = session.state()
        return (
            {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            if parts
            else self.score(columns)
        )

    def __repr__(self) -> str:
        version = self.manifest["version"]
        name = self.manifest["model"] + (f"@{version}" if version else "")
        return f"<Bundle {name}: {self.task}, {len(self.inputs)} columns, authentic={self.authentic}>"


def open_bundle(
    path: str | os.PathLike[str],
    *,
    trust: Trust | None = None,
    clock: TellsTime | None = None,
    threads: int = 1,
    provides: Collection[str] = (),
) -> Bundle:
    """Open the bundle in a folder.

    Without `trust` the files must be complete and unaltered by their manifest, and `.authentic` is False. With `trust`
    (a public key in PEM form, a .pem or trust .json file, or several of these) one of those keys must have signed
    them. Nothing from the bundle is executed but its ONNX graph, which can reach no file and no network.
    clock: what expiry is judged by; threads: of ONNX Runtime within one call; provides: what the caller gives beside rows
    to a model that requires it, such as columns made from other "tables".
    Raises BundleUnreadable, BundleDamaged, BundleUnsigned, BundleUnsupported, BundleExpired, ManifestInvalid,
    GraphUnsafe, GraphMismatch, ScoringFailed, and the errors of `verify_files`.
    """
    return open_files(read_files(Path(path)), trust=trust, clock=clock, threads=threads, provides=provides)


def open_files(
    files: Mapping[str, bytes],
    *,
    trust: Trust | None = None,
    clock: TellsTime | None = None,
    threads: int = 1,
    provides: Collection[str] = (),
) -> Bundle:
    """Open a bundle held in memory, file name to content; otherwise as `open_bundle`."""
    signer = _check_signature(files, trust) if trust is not None else None
    if MANIFEST_NAME not in files:
        raise BundleUnreadable(f"this is no bundle: it has no {MANIFEST_NAME}", fix="pass the bundle's own folder")
    manifest = parse_manifest(files[MANIFEST_NAME])
    _check_files(files, manifest)
    check_fits_runtime(manifest, clock)
    _check_provided(manifest, provides)
    check_graph_is_closed(files[GRAPH_NAME])
    return Bundle(files, manifest, signer=signer, threads=threads)


def read_files(path: Path) -> dict[str, bytes]:
    """The plain files of a folder, each read once. Raises BundleUnreadable for links, folders and devices in it."""
    try:
        names = sorted(entry.name for entry in os.scandir(path))
    except OSError as error:
        raise BundleUnreadable(
            "the bundle cannot be opened", where=str(path), why=error.strerror, fix=_near(path)
        ) from error
    if MANIFEST_NAME not in names:
        raise BundleUnreadable(f"this is no bundle: it has no {MANIFEST_NAME}", where=str(path), fix=_near(path))
    if len(names) > _MOST_FILES:
        raise BundleUnreadable(f"the folder holds {len(names)} files; a bundle has few", where=str(path))
    return {name: _read_file(path / name) for name in names}


def _read_file(path: Path) -> bytes:
    # Not following links and not blocking: a bundle from elsewhere may hold a link to any file, or a pipe.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise BundleUnreadable("a bundle holds plain files only", where=str(path))
            if status.st_size > _LARGEST.get(path.name, _LARGEST_FILE):
                raise BundleUnreadable(
                    "a file of the bundle is too large", where=str(path), why=f"{status.st_size} bytes"
                )
            return file.read(status.st_size)
    except OSError as error:
        why = "it is a link, or cannot be read: " + (error.strerror or str(error))
        raise BundleUnreadable("a bundle holds plain files only", where=str(path), why=why) from error


def _near(path: Path) -> str:
    try:
        siblings = [entry.name for entry in os.scandir(path.parent) if entry.is_dir()]
    except OSError:
        siblings = []
    return near_miss(path.name, [name for name in siblings if name != path.name]) or "pass the bundle's own folder"


def _check_signature(files: Mapping[str, bytes], trust: Trust) -> str:
    if SIGNATURE_NAME not in files:
        raise BundleUnsigned(
            "the bundle is not signed",
            why="keys to trust were given, so its origin must be proven",
            fix="use the bundle that `flyball run` registered; one from `.export(path)` is unsigned",
        )
    return verify_files(files, files[SIGNATURE_NAME], trust)


def _check_provided(manifest: Mapping[str, Any], provides: Collection[str]) -> None:
    """Raises BundleUnsupported unless the caller gives what the model needs beside a row."""
    given = {*provides, *(() if manifest["windows"] is None else ("state",))}
    lacking = [need for need in manifest["requires"] if need not in given]
    if lacking == ["tables"]:
        raise BundleUnsupported(
            "the model scores in batch only: it needs columns that are made from other tables",
            where=str(manifest["model"]),
            why="a row alone does not hold them, and there is no look-up that answers one row at a time",
            fix="score a file where the tables are: flyball predict NAME@VERSION rows.csv scores.csv",
        )
    if lacking:
        raise BundleUnsupported(
            f"the model needs more than its rows, which this runtime cannot give ({', '.join(lacking)})",
            fix="install a newer flyball-runtime",
        )


def _check_files(files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    listed: dict[str, str] = manifest["files"]
    present = files.keys() - {MANIFEST_NAME, SIGNATURE_NAME}
    wrong = [f"{name} is missing" for name in sorted(listed.keys() - present)]
    wrong += [f"{name} does not belong to it" for name in sorted(present - listed.keys())]
    for name in sorted(present & listed.keys()):
        if hashlib.sha256(files[name]).hexdigest() != listed[name]:
            wrong.append(f"{name} was edited")
    if (
        not wrong
        and content_hash(files[GRAPH_NAME], manifest["windows"], manifest["inputs"]) != manifest["content_hash"]
    ):
        wrong.append("the content hash does not fit the graph and the inputs")
    if wrong:
        raise BundleDamaged(
            "the bundle's files are not those that its manifest lists",
            where=str(manifest["model"]),
            why="; ".join(wrong),
            fix="fetch the bundle again; do not use this copy",
        )
