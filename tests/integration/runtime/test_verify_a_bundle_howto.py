"""The script on the page docs/howto/verify-a-bundle.md accepts a bundle as it was signed and refuses every other."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flyball_runtime.signature import key_id

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "verify-a-bundle.md"
COMMANDS = ("sh", "openssl", "sha256sum", "sed", "grep", "cat", "wc", "mktemp", "rm")


@pytest.fixture
def verify(tmp_path: Path) -> Callable[[Path, bytes], subprocess.CompletedProcess[str]]:
    script = re.search(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert script is not None
    (tmp_path / "verify-bundle.sh").write_text(script.group(1))
    tools = tmp_path / "tools"
    tools.mkdir()
    (tmp_path / "scratch").mkdir()
    for name in COMMANDS:
        found = shutil.which(name)
        assert found is not None, f"install {name}: apt-get install openssl coreutils sed grep"
        (tools / name).symlink_to(found)

    def run(folder: Path, pem: bytes) -> subprocess.CompletedProcess[str]:
        (tmp_path / "key.pem").write_bytes(pem)
        # A search path of these commands alone proves that the script needs no other.
        return subprocess.run(
            ["sh", "verify-bundle.sh", str(folder), "key.pem"],
            cwd=tmp_path,
            env={"PATH": str(tools), "TMPDIR": str(tmp_path / "scratch")},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def bundle(make_files: Any, key: Any, write: Any) -> Path:
    folder: Path = write(key.sign_bundle(make_files()), "a bundle")
    return folder


def test_a_bundle_as_signed_is_verified_and_its_key_named(verify: Any, bundle: Path, key: Any) -> None:
    done = verify(bundle, key.pem)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"verified: 5 files, signed by key {key_id(key.pem)}\n"
    assert done.stderr == ""


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))


def add(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(b"")


def link(folder: Path) -> None:
    (folder / "card.md").rename(folder.parent / "moved")
    (folder / "card.md").symlink_to(folder.parent / "moved")


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda folder: flip(folder / "model.onnx", 100), "a file was edited or is missing"),
        (lambda folder: flip(folder / "manifest.json", -3), "a file was edited or is missing"),
        (lambda folder: (folder / "golden.npz").unlink(), "a file was edited or is missing"),
        (add("extra.py"), "extra.py was added"),
        (add(".hidden"), ".hidden was added"),
        (add("two\ncard.md"), "card.md was added"),
        (add("card"), "card was added"),
        (add("card.md "), "card.md  was added"),
        (lambda folder: (folder / "deep").mkdir(), "deep is not a plain file"),
        (lambda folder: (folder / "dangling").symlink_to("nowhere"), "dangling is not a plain file"),
        (link, "card.md is not a plain file"),
        (lambda folder: (folder / "signature").unlink(), "no signature"),
        (lambda folder: (folder / "signature").write_bytes(b"{}"), "cannot be read"),
        # A flipped bit may also leave base64's alphabet: then the signature cannot even be read.
        (lambda folder: flip(folder / "signature", 400), "did not make the signature|cannot be read"),
        (lambda folder: flip(folder / "signature", -30), "did not make the signature|cannot be read"),
    ],
)
def test_a_bundle_that_was_tampered_with_is_refused_with_the_reason(
    verify: Any, bundle: Path, key: Any, tamper: Any, said: str
) -> None:
    tamper(bundle)
    done = verify(bundle, key.pem)
    assert done.returncode == 1, done.stdout
    assert "REFUSED" in done.stderr
    assert any(reason in done.stderr for reason in said.split("|"))
    assert done.stdout == ""


def test_another_key_and_no_key_are_refused(verify: Any, bundle: Path, make_key: Any) -> None:
    for pem in (make_key().pem, b"no key"):
        done = verify(bundle, pem)
        assert done.returncode == 1
        assert "did not make the signature" in done.stderr


def test_another_bundles_signature_is_refused(verify: Any, bundle: Path, key: Any, make_files: Any) -> None:
    other = key.sign_bundle(make_files("regression"))["signature"]
    (bundle / "signature").write_bytes(other)
    assert verify(bundle, key.pem).returncode == 1


def test_the_script_leaves_nothing_behind(verify: Any, bundle: Path, key: Any, make_key: Any, tmp_path: Path) -> None:
    for pem in (key.pem, make_key().pem):
        verify(bundle, pem)
        assert list((tmp_path / "scratch").iterdir()) == []
