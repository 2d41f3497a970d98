"""The manifest says what the runtime relies on, or is refused by key; the content hash names what a model computes."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from flyball_runtime.manifest import (
    BundleExpired,
    BundleUnsupported,
    ManifestInvalid,
    check_fits_runtime,
    content_hash,
    parse_manifest,
)

GOOD: dict[str, Any] = {
    "format": 1,
    "minimum_runtime": "0.1.0",
    "model": "m",
    "version": None,
    "created": "2026-01-02T03:04:05.000000Z",
    "task": "binary",
    "target": "y",
    "classes": ["a", "b"],
    "class_type": "text",
    "inputs": [{"name": "x", "kind": "number", "logical": "float", "unit": None}],
    "outputs": [],
    "requires": [],
    "windows": None,
    "release": 0,
    "expires": None,
    "content_hash": "0" * 64,
    "files": {"model.onnx": "0" * 64},
}


def parse(**changes: Any) -> dict[str, Any]:
    return parse_manifest(json.dumps(GOOD | changes).encode())


def test_a_complete_manifest_comes_back_whole_with_keys_of_later_writers() -> None:
    assert parse(later="thing") == GOOD | {"later": "thing"}


@pytest.mark.parametrize("key", [key for key in GOOD if key != "class_type"])
def test_each_key_that_is_missing_is_named(key: str) -> None:
    with pytest.raises(ManifestInvalid, match=f'"{key}"'):
        parse_manifest(json.dumps({name: value for name, value in GOOD.items() if name != key}).encode())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "1"),
        ("format", True),
        ("format", 0),
        ("minimum_runtime", "new"),
        ("model", ""),
        ("version", 0),
        ("version", True),
        ("created", "2026-01-02"),
        ("created", "soon"),
        ("task", "ranking"),
        ("task", ["binary"]),
        ("classes", "ab"),
        ("classes", ["a"]),
        ("classes", ["a", "a"]),
        ("classes", ["a", "b", "c"]),
        ("classes", [0, 1]),
        ("classes", None),
        ("class_type", "object"),
        ("inputs", {}),
        ("inputs", [{"name": "x", "kind": "matrix"}]),
        ("inputs", [{"name": "x", "kind": "number", "unit": 3}]),
        ("inputs", [{"name": "x", "kind": "number"}] * 2),
        ("requires", "state"),
        ("release", -1),
        ("expires", "never"),
        ("content_hash", "0" * 63),
        ("files", {}),
        ("files", {"model.onnx": "0" * 64, "../x": "0" * 64}),
        ("files", {"model.onnx": "0" * 64, "a/b": "0" * 64}),
        ("files", {"model.onnx": "0" * 64, "manifest.json": "0" * 64}),
        ("files", {"model.onnx": "0" * 63 + "G"}),
    ],
)
def test_each_key_of_the_wrong_form_is_named(key: str, value: Any) -> None:
    with pytest.raises(ManifestInvalid, match="class" if key == "class_type" else f'"{key}"'):
        parse(**{key: value})


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"format":1,"format":1}', b'{"a":NaN}', b"[" * 100_000])
def test_what_is_not_one_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(raw)


def test_a_regression_has_no_classes() -> None:
    assert parse(task="regression", classes=None)["classes"] is None
    with pytest.raises(ManifestInvalid, match="no classes"):
        parse(task="regression")


def test_a_later_format_is_refused_as_such_before_its_keys_are_judged() -> None:
    with pytest.raises(BundleUnsupported, match="format 2"):
        parse_manifest(b'{"format": 2}')


@pytest.mark.parametrize(
    ("needs", "fits"), [("0.0.9", True), ("0.1", True), ("0.1.1", False), ("0.10.0", False), ("1", False)]
)
def test_a_runtime_older_than_the_bundle_asks_for_is_refused(needs: str, fits: bool) -> None:
    manifest = parse(minimum_runtime=needs)
    if fits:
        check_fits_runtime(manifest)
    else:
        with pytest.raises(BundleUnsupported, match="or newer"):
            check_fits_runtime(manifest)


def test_a_bundle_is_refused_from_the_moment_of_its_expiry_on() -> None:
    class Clock:
        def __init__(self, second: int) -> None:
            self.second = second

        def now(self) -> datetime:
            return datetime(2026, 1, 1, 0, 0, self.second, tzinfo=UTC)

    manifest = parse(expires="2026-01-01T01:00:30+01:00")
    check_fits_runtime(manifest, Clock(29))
    with pytest.raises(BundleExpired):
        check_fits_runtime(manifest, Clock(30))


def test_the_content_hash_is_that_of_the_documented_text() -> None:
    inputs = [{"name": "é", "kind": "number", "logical": "", "unit": None}]
    graph = hashlib.sha256(b"graph").hexdigest()
    text = f'{{"graph":"{graph}","inputs":[{{"kind":"number","logical":"","name":"é","unit":null}}],"windows":null}}'
    assert content_hash(b"graph", None, inputs) == hashlib.sha256(text.encode()).hexdigest()
    assert content_hash(b"other", None, inputs) != content_hash(b"graph", None, inputs)
    assert content_hash(b"graph", {"lag": 1}, inputs) != content_hash(b"graph", None, inputs)
