"""What cannot be learned from is refused: a coded error that says what, where and how to go on; nothing left behind."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from flyball.cli.error_pages import error_page
from support.bad_tables import lines, refused, row
from support.command_line import flyball, tree

RNG = np.random.default_rng(3)


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("t.csv", lines())
    return packed.getvalue()


# kind: (content, code, a part of what is said)
FILES: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "FB-DATA-003", "is empty"),
    "a byte order mark only": (b"\xef\xbb\xbf", "FB-DATA-003", "blank lines"),
    "blank lines": (b"\r\n  \n\n", "FB-DATA-003", "blank lines"),
    "a header only": (b"a,b,y", "FB-DATA-003", "no rows"),
    "a header without names": (lines(header=",,"), "FB-DATA-003", "none of its columns"),
    "binary junk": (RNG.bytes(4000), "FB-DATA-004", ""),
    "a zero byte in line 62": (lines() + b"1.0,\0u,1\n", "FB-DATA-004", "t.csv:62"),
    "one endless line": (b"x" * 17_000_000, "FB-DATA-004", "characters"),
    "a zip archive": (zipped(), "FB-DATA-004", "zip archive or a spreadsheet"),
    "a pickle": (pickle.dumps({"a": [1] * 50}), "FB-DATA-004", "pickle"),
    "JSON": (json.dumps([{"a": 1, "y": 0}] * 20).encode(), "FB-DATA-004", "JSON"),
    "a web page": (b"<!DOCTYPE html>\n<html><body>404</body></html>\n" * 9, "FB-DATA-004", "web page"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "FB-DATA-004", "LFS"),
    "a Parquet file called CSV": (b"PAR1" + RNG.bytes(99), "FB-DATA-004", "Parquet"),
    "compressed, cut short": (gzip.compress(lines())[:200], "FB-DATA-004", "decompressed"),
    "bytes of no encoding": (lines() + b"1.0,\x81\xfc,1\n", "FB-DATA-007", "t.csv:62"),
    "a title above the header": (b"My export of May\n\n" + lines(), "FB-DATA-006", "above the header"),
    "a field more in every line": (lines(lambda i: row(i) + ",9"), "FB-DATA-006", "lines 2, 3, 4"),
    "a quotation mark that never closes": (lines() + b'1.0,"u,1\n' + lines(), "FB-DATA-006", "mark on line 62"),
    "blanks between columns": (lines(lambda i: row(i).replace(",", " "), header="a b y"), "FB-TARGET-001", "delimiter"),
    "two columns of one name": (lines(header="a,a,y"), "FB-DATA-005", "columns 1 and 2"),
    "a near miss of the target": (lines(header="a,b,Y "), "FB-TARGET-001", 'did you mean "Y "?'),
    "a target of one class": (lines(lambda i: f"{i % 7},{i % 3},1"), "FB-TARGET-003", "60 rows"),
    "a target of one class and nothing": (lines(lambda i: f"{i % 7},1,{'yes' * (i % 2)}"), "FB-TARGET-003", "30 rows"),
    "a target without values": (lines(lambda i: f"{i % 7},{i % 3},"), "FB-TARGET-002", "60 rows"),
    "nine rows": (lines(rows=9), "FB-TARGET-004", "10"),
    "nine rows with a target": (lines(lambda i: row(i) if i < 9 else "1,u,"), "FB-TARGET-004", "9 rows"),
    "a target of dates": (lines(lambda i: f"{i % 7},u,2024-01-{i % 28 + 1:02}"), "FB-TARGET-005", "moment"),
    "a target of names": (lines(lambda i: f"{i % 7},u,n{i}"), "FB-TARGET-005", "60 different"),
    "the target only": (lines(lambda i: str(i % 2), header="y"), "FB-PIPE-001", "nothing but"),
    "features without values": (lines(lambda i: f",,{i % 2}"), "FB-PIPE-001", "no value"),
    "features that are constant": (lines(lambda i: f"5,u,{i % 2}"), "FB-PIPE-001", "same value"),
    "texts that name the rows": (lines(lambda i: f"k{i * 7919:07}x,i{i}d,{i % 2}"), "FB-PIPE-001", "names each row"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_table_to_learn_from(kind: str, tmp_path: Path) -> None:
    content, code, told = FILES[kind]
    error = refused(content, tmp_path)
    assert error["code"] == code
    assert told in json.dumps(error, ensure_ascii=False).replace('\\"', '"')
    assert is_on_its_page(error)


def is_on_its_page(error: dict[str, str]) -> bool:
    """Whether what is said is one of the causes that the page of its code lists."""
    causes = [cause.partition(" (")[0] for cause in error_page(error["code"]).causes]
    return any(all(part in error["what"] for part in cause.split("…")) for cause in causes)


OTHERS = {
    "t.xlsx": (zipped(), "FB-DATA-002"), "t.zip": (zipped(), "FB-DATA-002"), "t.json": (b"[]", "FB-DATA-002"),
    "t.pkl": (pickle.dumps([1]), "FB-DATA-002"), "t": (lines(), "FB-DATA-002"), "t.dat": (lines(), "FB-DATA-002"),
    "t.parquet": (b"PAR1" + bytes(200), "FB-DATA-004"), "u.parquet": (lines(), "FB-DATA-004"), "v.pq": (b"", "FB-DATA-003"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_another_kind_of_file(name: str, tmp_path: Path) -> None:
    content, code = OTHERS[name]
    assert refused(content, tmp_path, name=name)["code"] == code


def test_what_is_no_file_is_refused_at_once_and_never_waited_for(tmp_path: Path) -> None:
    (tmp_path / "taken.csv").write_bytes(lines())
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    (tmp_path / "null.csv").symlink_to("/dev/null")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "gone.csv", "loop.csv", "null.csv", "folder.csv", "takn.csv", "no/taken.csv"):
        error = refused(None, tmp_path, name=name)
        assert error["code"] == (
            "FB-DATA-001" if name in ("gone.csv", "loop.csv", "takn.csv", "no/taken.csv") else "FB-DATA-002"
        )
    assert 'did you mean "taken.csv"' in refused(None, tmp_path, name="takn.csv")["fix"]


@pytest.mark.parametrize("source", ["", " ", "https://example.org/t.csv", "s3://bucket/t.csv", "~nobody-here/t.csv", "x" * 5000,
                                    "/dev/null", "/dev/zero", "/dev/stdin", "a\0b", "\udcff.csv"])  # fmt: skip
def test_what_is_no_path_to_a_table(source: str, tmp_path: Path) -> None:
    error = flyball("init", "p", "--from", source, "--target", "y", folder=tmp_path / "p").error(2)
    assert error["code"] in ("FB-DATA-001", "FB-DATA-002", "FB-CLI-003", "FB-CLI-001")
    assert tree(tmp_path) == {}


def test_a_name_that_is_not_utf_8_is_refused_and_the_error_can_be_printed(tmp_path: Path) -> None:
    name = os.fsdecode(b"z\xfcrich.csv")
    error = refused(lines(), tmp_path, name=name)
    assert (error["code"], "rename" in error["fix"]) == ("FB-DATA-002", True)


def test_the_parts_of_a_folder_must_be_of_one_table(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "1.csv").write_bytes(lines())
    (tmp_path / "parts" / "2.csv").write_bytes(lines(header="a,c,y"))
    error = refused(None, tmp_path, name="parts")
    assert (error["code"], error["facts"]) == ("FB-DATA-008", {"missing": '"b"', "extra": '"c"'})
    (tmp_path / "parts" / "2.csv").unlink()
    os.mkfifo(tmp_path / "parts" / "3.csv")
    made = flyball("init", "p", "--from", tmp_path / "parts", "--target", "y", folder=tmp_path / "p").answer()
    assert made["rows"] == 60


@pytest.mark.parametrize("target", ["y ", "Why", "a,b", "😀", "x" * 1000, "a\nb", "\udcff", "\x1b[31m"])
def test_a_target_that_is_not_there(target: str, tmp_path: Path) -> None:
    error = refused(lines(), tmp_path, target=target)
    assert error["code"] == "FB-TARGET-001"
    assert '"a", "b", "y"' in error["where"]
