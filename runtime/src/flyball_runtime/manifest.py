"""The bundle's manifest: what it must say, and the hash that names what a model computes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from flyball_runtime import __version__
from flyball_runtime.errors import BadInput, Refused
from flyball_runtime.schema import KINDS, Schema

__all__ = [
    "FORMAT",
    "MANIFEST_NAME",
    "SIGNATURE_NAME",
    "TASKS",
    "BundleExpired",
    "BundleUnsupported",
    "ManifestInvalid",
    "TellsTime",
    "check_fits_runtime",
    "content_hash",
    "inputs_of",
    "parse_manifest",
]

FORMAT = 1
MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "signature"
TASKS = ("binary", "multiclass", "regression")
CLASS_TYPES = ("text", "integer", "boolean", "number")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class ManifestInvalid(BadInput):
    """The bundle's manifest.json is not what format 1 asks for."""

    code = "FB-BUNDLE-001"


class BundleUnsupported(Refused):
    """The bundle asks for something that this runtime does not have: a newer format, or state, or other tables."""

    code = "FB-BUNDLE-002"


class BundleExpired(Refused):
    """The bundle carries an expiry date, and that date has passed."""

    code = "FB-BUNDLE-003"


class TellsTime(Protocol):
    """Anything with a clock's one method."""

    def now(self) -> datetime:
        """The present moment, aware."""


def content_hash(graph: bytes, windows: Any, inputs: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 (hex) over what a model computes: its graph, window specification and input schema.

    Two bundles with one content hash give the same answers; who made them, when and from what is not part of it.
    """
    named = {"graph": hashlib.sha256(graph).hexdigest(), "windows": windows, "inputs": [dict(item) for item in inputs]}
    text = json.dumps(named, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def parse_manifest(raw: bytes) -> dict[str, Any]:
    """The manifest as a dictionary, every key that the runtime relies on checked. Raises ManifestInvalid.

    A manifest of a later format raises BundleUnsupported before anything else is read.
    """
    try:
        manifest = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid("manifest.json is not JSON", why=str(error), fix=_FIX) from error
    if not isinstance(manifest, dict):
        raise ManifestInvalid("manifest.json holds no object", fix=_FIX)
    if isinstance(manifest.get("format"), int) and manifest["format"] > FORMAT:
        raise BundleUnsupported(
            f"the bundle is of format {manifest['format']}, this runtime reads up to {FORMAT}",
            fix="install a newer flyball-runtime",
        )
    for key, (holds, expected) in _RULES.items():
        if key not in manifest:
            raise ManifestInvalid(f'manifest.json lacks the key "{key}"', fix=_FIX)
        if not holds(manifest[key]):
            raise ManifestInvalid(f'manifest.json: "{key}" must be {expected}', why=_short(manifest[key]), fix=_FIX)
    _check_task(manifest)
    return manifest


def check_fits_runtime(manifest: Mapping[str, Any], clock: TellsTime | None = None) -> None:
    """Refuse a bundle that this runtime is too old for, or whose expiry has passed by `clock`."""
    if _version(manifest["minimum_runtime"]) > _version(__version__):
        raise BundleUnsupported(
            f"the bundle needs flyball-runtime {manifest['minimum_runtime']} or newer, this is {__version__}",
            fix=f'pip install "flyball-runtime>={manifest["minimum_runtime"]}"',
        )
    if manifest["expires"] is None:
        return
    expires = datetime.fromisoformat(manifest["expires"])
    moment = clock.now() if clock else datetime.now(UTC)
    if moment >= expires:
        raise BundleExpired(
            f"the bundle of {manifest['model']} expired on {manifest['expires']}",
            why=f"it is now {moment.isoformat(timespec='seconds')}",
            fix="deploy a newer version of the model",
        )


_FIX = "export the model again; a bundle's files are not meant to be edited"


def _is_inputs(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    for item in value:
        if not isinstance(item, dict) or item.get("kind") not in KINDS or not isinstance(item.get("name"), str):
            return False
        if not isinstance(item.get("logical", ""), str) or not isinstance(item.get("unit"), str | None):
            return False
    return len({item["name"] for item in value}) == len(value)


def _is_files(value: Any) -> bool:
    if not isinstance(value, dict) or "model.onnx" not in value:
        return False
    if MANIFEST_NAME in value or SIGNATURE_NAME in value:
        return False
    return all(_FILE_NAME.fullmatch(name) and _is_digest(digest) for name, digest in value.items())


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _is_moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_int(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{1,6}(\.\d{1,6}){0,3}", value) is not None


_Rule = tuple[Callable[[Any], bool], str]
_RULES: dict[str, _Rule] = {
    "format": (lambda v: _is_int(v) and v == FORMAT, f"{FORMAT}"),
    "minimum_runtime": (_is_version, "a version such as 0.1.0"),
    "model": (lambda v: isinstance(v, str) and v != "", "a name"),
    "version": (lambda v: v is None or _is_int(v, 1), "a number from 1, or null"),
    "created": (_is_moment, "an RFC 3339 moment"),
    "task": (lambda v: v in TASKS, "one of " + ", ".join(TASKS)),
    "target": (lambda v: isinstance(v, str), "the target's name"),
    "classes": (lambda v: v is None or isinstance(v, list), "a list, or null"),
    "inputs": (_is_inputs, "a list of fields with unique names"),
    "outputs": (lambda v: isinstance(v, list), "a list"),
    "requires": (lambda v: isinstance(v, list) and all(isinstance(x, str) for x in v), "a list of words"),
    "windows": (lambda v: v is None or isinstance(v, dict | list), "a specification, or null"),
    "release": (_is_int, "a number from 0"),
    "expires": (lambda v: v is None or _is_moment(v), "an RFC 3339 moment, or null"),
    "content_hash": (_is_digest, "64 hexadecimal digits"),
    "files": (_is_files, "a map from file name to SHA-256 that holds model.onnx"),
}
_CLASS_RULES: dict[str, Callable[[Any], bool]] = {
    "text": lambda v: isinstance(v, str),
    "integer": lambda v: _is_int(v, -(2**63)) and v < 2**63,
    "boolean": lambda v: isinstance(v, bool),
    "number": _is_number,
}


def _check_task(manifest: Mapping[str, Any]) -> None:
    classes, kind = manifest["classes"], manifest.get("class_type")
    if manifest["task"] == "regression":
        if classes is not None:
            raise ManifestInvalid("manifest.json: a regression has no classes", fix=_FIX)
        return
    if kind not in CLASS_TYPES:
        raise ManifestInvalid(
            'manifest.json: "class_type" must be one of ' + ", ".join(CLASS_TYPES), why=_short(kind), fix=_FIX
        )
    if classes is None or len(classes) < 2 or not all(_CLASS_RULES[kind](value) for value in classes):
        raise ManifestInvalid(f'manifest.json: "classes" must hold two or more of type {kind}', fix=_FIX)
    if len(set(classes)) != len(classes) or (manifest["task"] == "binary" and len(classes) != 2):
        raise ManifestInvalid('manifest.json: "classes" must be distinct, and two for a binary task', fix=_FIX)
    _check_sets(manifest, len(classes))


def _check_sets(manifest: Mapping[str, Any], classes: int) -> None:
    """Class sets came later than format 1: a manifest may lack the key, or hold null."""
    thresholds = manifest.get("set_thresholds")
    if thresholds is None:
        return
    if not isinstance(thresholds, list) or len(thresholds) != classes or not all(map(_is_number, thresholds)):
        raise ManifestInvalid(
            'manifest.json: "set_thresholds" must hold one number per class, or be null', why=_short(thresholds),
            fix=_FIX,
        )  # fmt: skip


def inputs_of(manifest: Mapping[str, Any]) -> Schema:
    """The raw columns that the model takes, in the graph's order."""
    return Schema.from_list(manifest["inputs"])


def _version(text: str) -> tuple[int, ...]:
    parts = [int(part) for part in re.findall(r"\d+", text)[:4]]
    return tuple(parts + [0] * (4 - len(parts)))


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
