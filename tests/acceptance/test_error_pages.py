"""`flyball error` tells of every code without a network, and its examples are what the program prints."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flyball.cli.error_pages import error_codes, error_pages
from flyball.cli.error_texts import texts_at
from support.command_line import flyball


def test_the_examples_that_are_kept_are_what_the_program_prints(repository: Path) -> None:
    """After a change of a message type: python docs/error_examples.py."""
    spec = importlib.util.spec_from_file_location("flyball_error_examples", repository / "docs" / "error_examples.py")
    assert spec is not None
    assert spec.loader is not None
    examples = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(examples)
    assert examples.capture() == json.loads(examples.KEPT.read_text(encoding="utf-8"))


def test_every_example_carries_its_code_and_how_to_go_on() -> None:
    pages = error_pages()
    assert len(pages) > 130
    for page in pages:
        assert page.example.startswith(f"{page.code}  "), page.code
        assert page.summary
        assert page.causes
        assert page.fixes


def test_every_code_that_the_source_writes_down_has_a_page(repository: Path) -> None:
    written = set[str]()
    for folder in (repository / "src", repository / "runtime" / "src"):
        for file in folder.rglob("*.py"):
            written |= set(re.findall(r'"(FB-[A-Z]+-\d{3})"', file.read_text(encoding="utf-8")))
    assert written <= set(error_codes())
    found = flyball("error", "FB-AUDIT-016").answer()
    assert "rebuild" in found["fix"][0]


def test_a_code_is_found_however_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    for written in ("FB-DATA-003", "fb-data-003", "DATA-3", " FB-DATA-003: "):
        assert flyball("error", written).answer()["code"] == "FB-DATA-003"
    listed = flyball("error").answer()["errors"]
    assert [error["code"] for error in listed] == error_codes()
    unknown = flyball("error", "FB-DATE-003").error(2)
    assert (unknown["code"], 'did you mean "FB-' in unknown["fix"]) == ("FB-CLI-004", True)


def test_an_error_ends_with_where_to_read_more(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flyball", "status", "--dir", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(r" *more +flyball error FB-PROJECT-001", ended.stderr.splitlines()[-1])
    page = subprocess.run([*command[:3], "error", "FB-PROJECT-001"], capture_output=True, text=True, check=True).stdout
    for part in ("Neither this folder nor one above it", "Why it happens", "How to mend it", "Example"):
        assert part in page


def test_the_texts_of_a_place_are_read_from_its_source() -> None:
    source = """
raise Odd(
    f"{count:,} rows of {file.name} are odd", where=str(path),
    why=f"{value!r} is none", fix=near_miss(name, names) or "mend them" if count else "look again",
)
"""
    (texts,) = texts_at(source, "Odd")
    assert (texts.what, texts.why, texts.fixes) == ("… rows of … are odd", "… is none", ("mend them", "look again"))
    assert texts.sample["what"] == "12 rows of machines.csv are odd"
    assert texts.sample["fix"] == 'did you mean "speed"?'
