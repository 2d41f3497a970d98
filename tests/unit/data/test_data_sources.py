"""Every table a user may bring is read, and what cannot be is refused with a place and a remedy."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from flyball.data import read_source
from flyball.data.sources.csv_file import RaggedLines, SourcesDiffer
from flyball.data.sources.csv_text import WrongEncoding
from flyball.data.sources.open import SourceMissing, SourceUnreadable
from flyball.data.sources.staging import DuplicateColumns, SourceDamaged, SourceEmpty
from flyball_runtime.schema import MISSING_TIME, Field, Schema

DAY = 86_400_000_000


def read(folder: Path, content: str | bytes, name: str = "table.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_source(path)


def kinds(found) -> dict[str, str]:
    return {field.name: f"{field.kind}/{field.logical}" for field in found.table.schema}


def test_types_come_from_the_whole_file(tmp_path):
    late = "\n".join(f"{row},{row}.5,true,x{row},2020-01-0{1 + row % 9}" for row in range(30_000))
    found = read(tmp_path, f"Whole,Part [°C],ok?,Text,Day\n{late}\n7,1e3,FALSE,,\n")
    assert kinds(found) == {
        "Whole": "number/integer",
        "Part [°C]": "number/float",
        "ok?": "number/boolean",
        "Text": "text/text",
        "Day": "time/date",
    }
    assert found.table["Part [°C]"][-1] == 1000
    assert (found.table["ok?"][-1], found.table["Text"][-1], found.table["Day"][-1]) == (0.0, None, MISSING_TIME)
    assert found.notes == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_quotes_line_ends_and_a_byte_order_mark_are_handled(tmp_path, delimiter):
    header, row = delimiter.join(["a b", '"c""d"']), delimiter.join(["1", f'"x{delimiter}y\nz"'])
    found = read(tmp_path, f"\ufeff{header}\r\n{row}\r\n{row}\r\n")
    assert found.table.names == ("a b", 'c"d')
    assert found.table['c"d'].tolist() == [f"x{delimiter}y\nz"] * 2


def test_names_that_differ_only_in_case_stay_two_columns(tmp_path):
    pl.DataFrame({"a": [1], "A": [2]}).write_parquet(tmp_path / "t.parquet")
    assert read(tmp_path, "a,A\n1,2\n").table.names == ("a", "A")
    assert read_source(tmp_path / "t.parquet").table.names == ("a", "A")


def test_lines_that_do_not_fit_are_left_out_and_named(tmp_path):
    found = read(tmp_path, "a,b\n" + "1,2\n" * 40 + '3,"x\ny"\n' + "1\n" + "1,2,3\n" + "4,5\n")
    assert found.table.rows == 42
    assert found.notes[0] == "table.csv: 2 lines do not fit the header and are left out: lines 44, 45"


def test_a_file_that_is_mostly_ragged_is_refused(tmp_path):
    with pytest.raises(RaggedLines) as caught:
        read(tmp_path, "a,b,c\n1,2\n3,4\n5,6,7\n")
    assert caught.value.where == "table.csv, lines 2, 3"


def test_the_line_that_breaks_a_number_column_is_named(tmp_path):
    numbers = "\n".join(f"{row},{row}" for row in range(50))
    found = read(tmp_path, f"a,b\n{numbers}\noops,1\n2,n/a\n")
    assert kinds(found) == {"a": "number/integer", "b": "number/integer"}
    assert found.notes == [
        '"a": 1 cell is no number of 52, read as missing: line 52 holds "oops"',
        '"b": 1 cell is no number of 52, read as missing: line 53 holds "n/a"',
    ]
    assert np.isnan(found.table["a"][50])


def test_codes_among_few_numbers_stay_text(tmp_path):
    found = read(tmp_path, "grade\n" + "1\n2\n3\n" * 40 + "A\n" * 3)
    assert kinds(found) == {"grade": "text/text"}
    assert 'line 122 holds "A"' in found.notes[0]


def test_codes_that_numbers_would_spoil_stay_text(tmp_path):
    found = read(tmp_path, "zip,id,under\n01234,9007199254740993,1_0\n99999,12,2_0\n")
    assert kinds(found) == dict.fromkeys(("zip", "id", "under"), "text/text")
    assert found.table["id"].tolist() == ["9007199254740993", "12"]


def test_decimal_commas_infinities_and_empty_columns_are_handled_and_said(tmp_path):
    found = read(tmp_path, "a;b;c\n1,5;inf;\n-2,25;-Infinity;\n3;nan;\n")
    assert found.table["a"].tolist() == [1.5, -2.25, 3.0]
    assert found.table["b"].tolist()[:2] == [np.inf, -np.inf]
    assert np.isnan(found.table["c"]).all()
    assert ["decimal commas" in found.notes[0], "2 infinite values" in found.notes[1]] == [True, True]


def test_dates_in_three_forms_are_read_where_they_are_clear(tmp_path):
    found = read(tmp_path, "d,slash,moment\n2020-01-02,1/13/2020,1969-12-31T23:00:00Z\n"
                 "02.01.2020,1/2/2020,1970-01-01 01:00\n1/25/2020,2/2/2020,1970-01-01T02:00:00+02:00\n")  # fmt: skip
    first = np.datetime64("2020-01-02", "us").astype(np.int64)
    assert found.table["d"].tolist() == [first, first, first + 23 * DAY]
    assert kinds(found)["slash"] == "time/date"
    assert found.table["moment"].tolist() == [-DAY // 24, DAY // 24, 0]
    assert found.table.schema["slash"].unit == "%m/%d/%Y"


def test_dates_that_could_be_either_day_or_month_stay_text(tmp_path):
    assert kinds(read(tmp_path, "d\n1/2/2020\n3/4/2020\n")) == {"d": "text/text"}


def test_other_encodings_are_read_and_said_or_refused_with_the_line(tmp_path):
    latin = read(tmp_path, "name,v\nBern,1\nZürich,2\n".encode("latin-1"))
    assert latin.table["name"].tolist() == ["Bern", "Zürich"]
    assert "line 3" in latin.notes[0]
    assert read(tmp_path, "name;v\nZürich;1\n".encode("utf-16")).table["name"].tolist() == ["Zürich"]
    with pytest.raises(WrongEncoding) as caught:
        read(tmp_path, b"a\nx\n\x81\n")
    assert caught.value.where == "table.csv:3"


def test_the_line_of_a_bad_byte_is_right_in_a_large_file(tmp_path):
    filler = ("ü" * 60 + "\n") * 20_000
    found = read(tmp_path, f"name\n{filler}".encode() + b"Z\xfcrich\n")
    assert "line 20002" in found.notes[0]


def test_compressed_text_is_read(tmp_path):
    assert read(tmp_path, gzip.compress(b"a,b\n1,2\n"), "t.csv.gz").table["b"].tolist() == [2.0]
    with pytest.raises(SourceDamaged):
        read(tmp_path, gzip.compress(np.random.default_rng(0).bytes(9000))[:2000], "cut.csv.gz")


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        ("", "t.csv", SourceEmpty),
        ("\n\n", "t.csv", SourceEmpty),
        ("a,b\n", "t.csv", SourceEmpty),
        (b"", "t.parquet", SourceEmpty),
        ("a,b,a\n1,2,3\n", "t.csv", DuplicateColumns),
        (np.random.default_rng(1).bytes(4000), "t.csv", SourceDamaged),
        (b"PAR1" + bytes(500), "t.parquet", SourceDamaged),
        ("a,b\n1,2\n", "t.parquet", SourceDamaged),
        ("PK", "t.xlsx", SourceUnreadable),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, name, error):
    with pytest.raises(error) as caught:
        read(tmp_path, content, name)
    assert caught.value.exit_code == 2
    assert caught.value.fix


def test_a_truncated_parquet_file_is_refused(tmp_path):
    pl.DataFrame({"a": np.arange(5000), "b": ["x"] * 5000}).write_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    for share in (0.3, 0.6, 0.99):
        with pytest.raises(SourceDamaged) as caught:
            read(tmp_path, whole[: int(len(whole) * share)], "cut.parquet")
        assert "flyball-read" not in str(caught.value)


def test_a_missing_file_offers_what_stands_beside_it(tmp_path):
    (tmp_path / "machines.csv").write_text("a\n1\n")
    with pytest.raises(SourceMissing, match=r'did you mean "machines\.csv"'):
        read_source(tmp_path / "machine.csv")
    with pytest.raises(SourceMissing, match="does not exist either"):
        read_source(tmp_path / "nowhere" / "machine.csv")


def test_a_folder_is_one_table_when_its_files_agree(tmp_path):
    with pytest.raises(SourceUnreadable, match="no tables"):
        read_source(tmp_path)
    (tmp_path / "a.csv").write_text("a,b\n1,x\n")
    (tmp_path / "b.csv").write_text("b,a\ny,2.5\n")
    found = read_source(tmp_path)
    assert (found.table["a"].tolist(), found.table["b"].tolist()) == ([1.0, 2.5], ["x", "y"])
    (tmp_path / "c.csv").write_text("b,c\ny,2\n")
    with pytest.raises(SourcesDiffer) as caught:
        read_source(tmp_path)
    assert caught.value.facts == {"missing": '"a"', "extra": '"c"'}
    (tmp_path / "c.csv").rename(tmp_path / "c.parquet")
    with pytest.raises(SourceUnreadable, match="CSV and Parquet"):
        read_source(tmp_path)


def test_a_file_name_is_never_a_pattern_or_sql(tmp_path):
    (tmp_path / "secret.csv").write_text("z\n9\n")
    assert read(tmp_path, "a\n1\n", "we'ird[s]*.csv").table.names == ("a",)


def test_parquet_types_keep_their_meaning(tmp_path):
    frame = pl.DataFrame(
        {
            "flag": [True, None],
            "small": pl.Series([1, None], dtype=pl.Int8),
            "huge": [2**60, 1],
            "price": pl.Series(["1.50", "2.25"]).cast(pl.Decimal(9, 2)),
            "day": pl.Series([0, None]).cast(pl.Date),
            "zoned": pl.Series([0, 1]).cast(pl.Datetime("ns", "Europe/Zurich")),
            "written": ["2020-01-01", None],
            "code": ["1", "2"],
            "list": [[1], [2]],
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    found = read_source(tmp_path / "t.parquet")
    assert kinds(found) == {
        "flag": "number/boolean",
        "small": "number/integer",
        "huge": "text/text",
        "price": "number/float",
        "day": "time/date",
        "zoned": "time/datetime",
        "written": "time/date",
        "code": "text/text",
    }
    assert found.table["huge"].tolist() == [str(2**60), "1"]
    assert found.table["day"].tolist() == [0, MISSING_TIME]
    assert any('"list" is left out' in note for note in found.notes)


def test_a_model_s_schema_keeps_its_text_columns_text(tmp_path):
    (tmp_path / "t.csv").write_text("code,n\n1,2\n")
    schema = Schema((Field("code", "text", "text"), Field("n", "number", "integer")))
    assert read_source(tmp_path / "t.csv", schema=schema).table["code"].tolist() == ["1"]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, dict])
def test_frames_and_mappings_give_the_same_table(make):
    found = read_source(make({"n": [1, 2], "t": ["x", None], "d": ["2020-01-01", "2020-01-02"], "b": [True, False]}))
    assert kinds(found) == {"n": "number/integer", "t": "text/text", "d": "time/date", "b": "number/boolean"}
    assert found.table["t"].tolist() == ["x", None]


def test_mixed_types_in_memory_become_text_with_the_row_said():
    found = read_source({"a": [1, "u", 2.5]})
    assert (found.table["a"].tolist(), "row 1" in found.notes[0]) == (["1", "u", "2.5"], True)


def test_a_frame_with_two_columns_of_one_name_or_no_rows_is_refused():
    with pytest.raises(DuplicateColumns):
        read_source(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(SourceEmpty):
        read_source({"a": []})


def test_a_readme_in_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("what this is\n", encoding="utf-8")
    with pytest.raises(SourceUnreadable, match="holds 1 file, none of them a table"):
        read_source(tmp_path)
    (tmp_path / "part.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert read_source(tmp_path).table.names == ("a", "b")
