"""What a table has that is odd is handled, and what was done is said: by `init`, in the project file, by `run`."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from support.bad_tables import NUMBERS, lines, made_from, row
from support.command_line import flyball


def number(place: int, written: str) -> str:
    return f"{written},{'uvw'[place % 3]},{int(NUMBERS[place] > 0)}"


def day(place: int, written: str) -> str:
    """A date as the first column; the target depends on nothing of it."""
    return f'"{written}",{NUMBERS[place]},{int(NUMBERS[place] + NUMBERS[-1 - place] > 0)}'


THREE = ("2024-03-{:02}", "{:02}.03.2024", "{:02}/03/2024")
# kind: (content, what is said)
SAID: dict[str, tuple[bytes, str]] = {
    "UTF-16": (lines().decode().encode("utf-16"), "UTF-16 text"),
    "UTF-16 without a mark": (lines().decode().encode("utf-16-be"), "UTF-16 text"),
    "UTF-32": (lines().decode().encode("utf-32"), "UTF-32 text"),
    "Latin-1": (lines(lambda i: row(i).replace("u", "ü")).decode().encode("latin-1"), "not UTF-8 (line 2)"),
    "a column without a name": (lines(header=",b,y"), "named by position"),
    "a delimiter at the end of the header": (lines(lambda i: row(i) + ",", header="a,b,y,"), "column_4"),
    "ragged lines": (
        lines(instead={7: "1", 21: row(21) + ",9"}), "2 lines do not fit the header and are left out: lines 9, 23"),
    "decimal commas": (
        lines(lambda i: f"{NUMBERS[i]}".replace(".", ",") + f";{'uvw'[i % 3]};{i % 2}", header="a;b;y"), "decimal commas"),
    "commas between thousands": (lines(lambda i: number(i, f'"{1e6 + i * 1234.5:,.1f}"')), "commas between thousands"),
    "points between thousands": (
        lines(lambda i: f'"{1 + i}.567,5";{NUMBERS[i]};{i % 2}', header="a;b;y"), "points between thousands"),
    "blanks between thousands": (lines(lambda i: number(i, f"{1e6 + i * 1234:,.0f}".replace(",", "\u202f"))), "spaces or apost"),
    "a currency": (lines(lambda i: number(i, f"€ {abs(NUMBERS[i])}")), "is written with €"),
    "per cent": (lines(lambda i: number(i, f"{NUMBERS[i]} %")), "is written with %"),
    "infinities": (lines(instead={3: "inf,u,1", 4: "-Infinity,v,0", 5: "1e999,w,1"}), "3 infinite values"),
    "missing targets": (lines(instead={3: "1.5,u,", 9: "1.5,u, "}), "2 rows are left out"),
    "infinite targets": (lines(lambda i: f"{NUMBERS[i]},u{i % 3},{'inf' if i == 4 else NUMBERS[-i]}"), "1 row is left out"),
    "words among numbers": (lines(instead={3: "n/a,u,1", 9: "?,v,0"}), 'line 5 holds "n/a"; line 11 holds "?"'),
    "one odd cell": (lines(rows=45_000, instead={40_315: "12..5,u,1"}), 'line 40317 holds "12..5"'),
    "one odd target": (lines(rows=5_000, instead={4_000: "1.0,u,oops"}), 'line 4002 holds "oops"'),
    "odd cells in a column of few numbers": (
        lines(lambda i: f"{NUMBERS[i]},{i % 3},{i % 2}", rows=900, instead={100: "1,zwei,1"}), 'line 102 holds "zwei"'),
    "odd cells below quoted line ends": (
        lines(lambda i: f'{NUMBERS[i]},"u\n{i % 3}",{i % 2}', rows=300, instead={200: 'oops,"u\n1",1'}), 'line 402 holds "oops"'),
    "one odd date": (lines(lambda i: day(i, f"2024-03-{i % 28 + 1:02}"), 500, instead={77: "soon,1,1"}), 'line 79 holds "soon"'),
    "codes among few numbers": (
        lines(lambda i: f"{i % 3},{NUMBERS[i]},{i % 2}", instead={5: "A,1,1", 8: "A,2,1"}), 'read as text: line 7 holds "A"'),
    "codes with leading zeros": (lines(lambda i: f"{i % 7:03},{NUMBERS[i]},{i % 2}"), "leading zeros: read as text"),
    "numbers beyond 2^53": (lines(lambda i: f"{2**60 + i % 3},{NUMBERS[i]},{i % 2}"), "beyond 2^53"),
    "dates in three forms": (lines(lambda i: day(i, THREE[i % 3].format(i % 28 + 1))), "day first, as"),
    "month-first dates": (lines(lambda i: day(i, f"{i % 12 + 1}/{i % 28 + 1}/2024")), "month first, as"),
    "dates with a time of day": (lines(lambda i: day(i, f"3/{i % 28 + 1}/2024 {i % 12 + 1}:05 PM")), "%I:%M %p"),
    "two-digit years": (lines(lambda i: day(i, f"{i % 28 + 1:02}/03/24")), "%d/%m/%y"),
    "dates decided by their order": (
        lines(lambda i: day(i, f"{i // 12 % 12 + 1:02}/{i % 12 + 1:02}/{2020 + i // 144}"), 200), "in the order of time"),
    "dates that nothing decides": (
        lines(lambda i: day(i, f"{i * 5 % 12 + 1:02}/{i * 7 % 12 + 1:02}/2024")), "nothing tells the day"),
    "dates of both kinds": (
        lines(lambda i: day(i, f"{i % 28 + 1:02}/{i * 5 % 28 + 1:02}/2024")), "others only the month"),
    "labels with blanks around": (
        lines(lambda i: f"{NUMBERS[i]},u{i % 4},{('no', 'yes ', ' yes')[0 if NUMBERS[i + 99] < 0 else 1 + i % 2]}"),
        "blanks around"),
    "labels that differ in case": (
        lines(lambda i: f"{NUMBERS[i]},u{i % 4},{('yes', 'no', 'Yes')[i % 3]}"), 'differ only in case ("Yes" and "yes")'),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAID)
def test_an_odd_table_is_handled_and_that_is_said(kind: str, tmp_path: Path) -> None:
    content, told = SAID[kind]
    made = made_from(content, tmp_path)
    assert any(told in note for note in made["notes"]), made["notes"]
    assert flyball("run", "--budget", "0s", folder=tmp_path / "p").code == 0


SILENT: dict[str, bytes] = {
    "line ends of Windows": lines(end="\r\n"),
    "line ends of old": lines(end="\r"),
    "a byte order mark": b"\xef\xbb\xbf" + lines(),
    "semicolons": lines(lambda i: row(i).replace(",", ";"), header="a;b;y"),
    "tabs": lines(lambda i: row(i).replace(",", "\t"), header="a\tb\ty"),
    "bars": lines(lambda i: row(i).replace(",", "|"), header="a|b|y"),
    "a separator declared": b"sep=;\n" + lines(lambda i: row(i).replace(",", ";"), header="a;b;y"),
    "quoted line ends": lines(lambda i: f'{NUMBERS[i]},"x\r\n{i % 3}",{i % 2}', end="\r\n"),
    "compressed": gzip.compress(lines()),
    "a line of three million letters": lines(instead={5: f"1,{'x' * 3_000_000},1"}),
    "blank lines between": lines() + b"\n\n" + lines().partition(b"\n")[2] + b"\n",
    "booleans as text": lines(lambda i: f"{('true', 'FALSE')[i % 2]},{NUMBERS[i]},{i % 2}"),
    "labels in words": lines(lambda i: f"{NUMBERS[i]},u{i % 3},{('yes', 'no')[i % 2]}"),
    "ten thousand categories": lines(lambda i: f"k{i % 10_000},{NUMBERS[i]},{i % 2}", 20_000),
    "dates before 1970 and beyond 2262": lines(lambda i: day(i, f"{1500 + i * 40}-03-01")),
}  # fmt: skip


@pytest.mark.parametrize("kind", SILENT)
def test_a_table_of_another_habit_is_simply_read(kind: str, tmp_path: Path) -> None:
    made = made_from(SILENT[kind], tmp_path)
    assert made["columns"] == 3
    assert made["rows"] % 20 == 0
    assert flyball("run", "--budget", "0s", folder=tmp_path / "p").code == 0


NAMES = ["a b", "😀", "n" * 1000, "a\nb", "a\"b'c", "prediction", "probability_1", "row_order", "c0", "raw", "Y", "low",
         "__index__", "[bold]", "%s{0}", "\x1b[31mred", "../x", "NULL", "select", "0", "-"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_may_stand_in_the_header(name: str, tmp_path: Path) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    made_from(lines(header=f"{quoted},b,y"), tmp_path)
    folder = tmp_path / "p"
    assert flyball("run", "--budget", "0.3s", folder=folder).answer()["version"] == 1
    told = flyball("explain", "plant@1", "--row", 0, folder=folder).answer()
    assert name in {reason["column"] for reason in told["reasons"]}
    scored = flyball("predict", "plant@1", tmp_path / "t.csv", tmp_path / "scored.csv", folder=folder).answer()
    assert scored["rows"] == 60


def test_values_of_personal_columns_are_never_quoted_only_their_lines(tmp_path: Path) -> None:
    content = lines(lambda i: f"{i * 37 % 997 + 0.5},{NUMBERS[i]},{int(NUMBERS[i] + NUMBERS[-i] > 0)}", 1000,
                    instead={70: "secret-77,1,1", 90: "secret-78,1,0"}, header="salary,b,y")  # fmt: skip
    made_from(content, tmp_path)
    folder = tmp_path / "p"
    file = folder / "flyball.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[data.plant]\n", '[data.plant]\npersonal = ["salary"]\n'), encoding="utf-8")
    ran = flyball("run", "--budget", "0s", folder=folder)
    (note,) = [note for note in ran.answer()["notes"] if "salary" in note and "numbers" in note]
    assert "line 72; line 92" in note
    assert "secret" not in ran.out
    for page in (folder / ".flyball" / "reports").iterdir():
        assert "secret" not in page.read_text(encoding="utf-8")
    content = lines(lambda i: f"secret-{i},{NUMBERS[i]}", header="salary,b")
    (tmp_path / "new.csv").write_bytes(content)
    error = flyball("predict", "plant@1", tmp_path / "new.csv", tmp_path / "out.csv", folder=folder).error(2)
    assert (error["code"], "line 2; line 3; line 4" in error["where"]) == ("FB-TABLE-004", True)
    assert "secret" not in str(error)


def test_the_numbers_that_are_read_are_those_that_are_meant(tmp_path: Path) -> None:
    from flyball.data import read_source

    (tmp_path / "t.csv").write_text(
        "a;b;c;d\n" + "1.234,5;€ 7;1'000;5 %\n-1.000.000;€ 8,5;12;7,5 %\n3;€ 9;-1'234.5;9 %\n"
    )
    found = read_source(tmp_path / "t.csv").table
    assert found["a"].tolist() == [1234.5, -1_000_000.0, 3.0]
    assert found["b"].tolist() == [7.0, 8.5, 9.0]
    assert found["c"].tolist() == [1000.0, 12.0, -1234.5]
    assert found["d"].tolist() == [5.0, 7.5, 9.0]
    assert (found.schema["b"].unit, found.schema["d"].unit) == ("€", "%")
    assert np.isfinite(found["a"]).all()
