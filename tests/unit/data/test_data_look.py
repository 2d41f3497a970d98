"""What a look finds, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flyball.data import look, read_source, row_families
from flyball.data.look.arithmetic import exact_combination
from flyball.data.look.looking import ColumnUnknown
from flyball.data.look.quick import area_under_curve

ROWS = 600


def clean(seed: int, rows: int = ROWS, *, number_target: bool = False) -> tuple[dict[str, Any], np.ndarray]:
    """Independent columns of every kind; the target depends on some of them. Returns the columns and the signal."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "a": rng.normal(size=rows),
        "b": rng.gamma(2, 10, rows).round(1),
        "count": rng.integers(0, 30, rows),
        "flag": rng.integers(0, 2, rows),
        "kind": rng.choice(["low", "mid", "high", "other"], rows),
        "customer_id": rng.integers(0, rows // 8, rows),
        "holes": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
        "visited": np.datetime64("2021-01-01") + rng.integers(0, 700, rows).astype("timedelta64[D]"),
    }
    signal = columns["a"] + columns["flag"] - 0.03 * columns["b"]
    noisy = signal + rng.logistic(size=rows)
    columns["y"] = noisy if number_target else np.where(noisy > 0, "yes", "no")
    return columns, signal


def seen(columns: dict[str, Any], **given: Any):
    return look(read_source(columns).table, "y", **given)


def leaked(columns: dict[str, Any]) -> set[str]:
    return {str(finding.column) for finding in seen(columns).leaks}


def kinds(columns: dict[str, Any]) -> dict[str | None, str]:
    return {finding.column: finding.kind for finding in seen(columns).columns}


@pytest.mark.parametrize("seed", range(12))
def test_a_clean_table_gives_no_findings_and_no_structure(seed):
    columns, _ = clean(seed, rows=(80, 300, 1500)[seed % 3], number_target=seed % 2 == 0)
    found = seen(columns)
    assert (found.leaks, found.columns, found.structure.kind) == ([], [], "random")


def test_the_same_seed_gives_the_same_look():
    columns, _ = clean(1)
    columns["copy"] = columns["y"]
    assert seen(columns, seed=3).to_dict() == seen(columns, seed=3).to_dict()


def planted(name: str, rng: np.random.Generator, y: np.ndarray) -> Any:
    """A column that knows the target `y` (0 or 1), in one of the ways that happen."""
    if name == "text copy":
        return np.where(y == 1, "won", "lost")
    if name == "copy with errors":
        return np.where(rng.random(len(y)) < 0.02, 1 - y, y)
    if name == "flag set by a part of the events":
        return ((y == 1) & (rng.random(len(y)) < 0.3)).astype(int)
    if name == "filled in only afterwards":
        return np.where(y == 1, rng.normal(size=len(y)), np.nan)
    return 5 * y + rng.normal(size=len(y))


@pytest.mark.parametrize(
    "name",
    [
        "text copy",
        "copy with errors",
        "flag set by a part of the events",
        "filled in only afterwards",
        "measured after the event",
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_column_that_knows_a_class_is_named_and_no_other(name, seed):
    columns, _ = clean(seed)
    columns["planted"] = planted(name, np.random.default_rng(seed), (columns["y"] == "yes").astype(int))
    assert leaked(columns) == {"planted"}


@pytest.mark.parametrize(
    "formula",
    [
        lambda p, q: p + q,
        lambda p, q: p - 2 * q,
        lambda p, q: p * q,
        lambda p, q: p / q,
        lambda p, q: (p * q).round(2),
    ],
)
def test_columns_that_make_up_a_number_are_both_named(formula):
    columns, _ = clean(3)
    rng = np.random.default_rng(3)
    columns["p"], columns["q"] = rng.gamma(2, 10, ROWS), rng.gamma(2, 10, ROWS)
    columns["y"] = formula(columns["p"], columns["q"])
    assert leaked(columns) == {"p", "q"}


def test_another_scale_of_the_target_is_named():
    columns, _ = clean(4, number_target=True)
    assert leaked(columns | {"fahrenheit": 32 + 1.8 * columns["y"]}) == {"fahrenheit"}
    assert leaked(columns | {"squashed": np.arctan(columns["y"])}) == {"squashed"}


def test_two_dates_whose_comparison_is_the_target_are_named():
    columns, _ = clean(5)
    rng = np.random.default_rng(5)
    day = np.datetime64("2020-01-01")
    columns["required"] = day + rng.integers(0, 300, ROWS).astype("timedelta64[D]")
    columns["shipped"] = columns["required"] + rng.integers(-20, 9, ROWS).astype("timedelta64[D]")
    columns["y"] = columns["shipped"] > columns["required"]
    assert leaked(columns) == {"required", "shipped"}


def test_a_strong_column_known_only_afterwards_is_marked_by_its_name():
    columns, _ = clean(6)
    strong = 1.7 * (columns["y"] == "yes") + np.random.default_rng(6).normal(size=ROWS)
    assert leaked(columns | {"duration": strong}) == {"duration"}
    assert leaked(columns | {"weight": strong}) == set()
    assert leaked(columns | {"duration": np.random.default_rng(7).normal(size=ROWS)}) == set()


def test_a_flag_that_seldom_goes_with_the_event_is_no_leak():
    columns, _ = clean(8)
    columns["rare"] = (np.random.default_rng(8).random(ROWS) < 0.03).astype(int)
    assert leaked(columns) == set()


def drifting(seed: int, rows: int = 1500) -> tuple[dict[str, Any], np.ndarray]:
    """A table whose target wanders slowly through the rows."""
    rng = np.random.default_rng(seed)
    columns, signal = clean(seed, rows)
    del columns["visited"]
    place = np.arange(rows) / rows
    wander = 4 * np.sin(2 * np.pi * 1.5 * place) + 2 * place
    columns["y"] = np.where(signal - signal.mean() + wander + rng.logistic(size=rows) > 0, "yes", "no")
    return columns, place


def shuffled(columns: dict[str, Any]) -> dict[str, Any]:
    order = np.random.default_rng(0).permutation(len(columns["y"]))
    return {name: np.asarray(values)[order] for name, values in columns.items()}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_row_order_is_found_by_drift_and_lost_by_shuffling(seed):
    columns, place = drifting(seed)
    columns["hour"] = np.arange(len(place)) % 24
    found = seen(columns).structure
    assert (found.kind, found.by) == ("time", "row_order")
    assert '"hour"' in found.why
    assert seen(shuffled(columns)).structure.kind == "random"


def test_month_names_run_like_a_clock():
    columns, place = drifting(4, rows=2400)
    names = np.array(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
    columns["month"] = names[(np.arange(len(place)) // 50) % 12]
    found = seen(columns).structure
    assert (found.by, '"month"' in found.why) == ("row_order", True)


def test_a_date_gives_time_order_whether_or_not_it_sorts_the_rows():
    columns, place = drifting(5)
    columns["seen_at"] = np.datetime64("2021-01-01T00") + np.arange(len(place)).astype("timedelta64[h]")
    for rows in (columns, shuffled(columns)):
        found = seen(rows).structure
        assert (found.kind, found.by) == ("time", "seen_at")


def test_rows_sorted_by_the_target_are_not_a_time_order():
    columns, _ = clean(7, rows=1500)
    order = np.argsort(columns["y"], kind="stable")
    assert seen({name: np.asarray(values)[order] for name, values in columns.items()}).structure.kind == "random"


@pytest.mark.parametrize("name", ["machine_id", "patient", "grp"])
@pytest.mark.parametrize("seed", [1, 2])
def test_rows_of_one_entity_are_found_as_groups(name, seed):
    rng = np.random.default_rng(seed)
    rows, number = 1500, 60
    group = rng.integers(0, number, rows)
    columns: dict[str, Any] = {f"x{i}": 0.4 * rng.normal(size=rows) + rng.normal(size=number)[group] for i in range(5)}
    effect = 1.5 * rng.normal(size=number)[group]
    columns[name] = group
    columns["y"] = np.where(effect + 0.5 * rng.logistic(size=rows) > 0, "yes", "no")
    found = seen(columns)
    assert (found.structure.kind, found.structure.by) == ("group", name)
    assert name in found.left_out


def test_a_panel_is_found_in_any_order_of_rows():
    rng = np.random.default_rng(1)
    lengths = rng.integers(15, 40, 30)
    columns: dict[str, Any] = {
        "unit": np.repeat(np.arange(30), lengths),
        "cycle": np.concatenate([np.arange(1, n + 1) for n in lengths]),
        "sensor": rng.normal(size=lengths.sum()),
        "y": np.concatenate([np.arange(n)[::-1] for n in lengths]),
    }
    for rows in (columns, shuffled(columns)):
        assert (seen(rows).structure.kind, seen(rows).structure.by) == ("group", "unit")


def test_a_panel_is_found_when_its_numbers_are_written_with_a_decimal_point():
    rng = np.random.default_rng(1)
    lengths = rng.integers(15, 40, 30)
    columns: dict[str, Any] = {
        "unit": np.repeat(np.arange(30), lengths).astype(np.float64),
        "cycle": np.concatenate([np.arange(1, n + 1) for n in lengths]).astype(np.float64),
        "sensor": rng.normal(size=lengths.sum()),
        "y": np.concatenate([np.arange(n)[::-1] for n in lengths]),
    }
    for rows in (columns, shuffled(columns)):
        assert (seen(rows).structure.kind, seen(rows).structure.by) == ("group", "unit")


def test_what_is_declared_wins():
    columns, _ = clean(9)
    assert seen(columns, group="kind").structure.by == "kind"
    assert seen(columns, time="visited").structure.confidence == 1.0
    assert seen(columns, time="visited", group="customer_id").structure.kind == "time"
    assert seen(columns, time="count", group="customer_id").structure.kind == "group"
    with pytest.raises(ColumnUnknown, match="customer_id"):
        seen(columns, group="custmer_id")


def test_useless_columns_are_left_out():
    columns, _ = clean(10)
    rng = np.random.default_rng(10)
    columns |= {
        "empty": [None] * ROWS,
        "same": ["x"] * ROWS,
        "twin": columns["a"],
        "row": np.arange(ROWS) * 2 + 5,
        "order_id": rng.permutation(ROWS) + 10_000,
        "code": [f"c{number}" for number in rng.permutation(ROWS)],
        "remark": [f"the {number}th remark" for number in range(ROWS)],
    }
    found = seen(columns)
    assert {finding.column: finding.kind for finding in found.columns} == {
        "empty": "all missing",
        "same": "constant",
        "twin": "duplicate column",
        "row": "identifier",
        "order_id": "identifier",
        "code": "identifier",
        "remark": "free text",
    }
    assert set(found.left_out) == {"empty", "same", "twin", "row", "order_id", "code"}, "prose is read, not left out"


def test_values_that_stand_for_missing_ones_are_named_and_taken_so():
    columns, _ = clean(11)
    rng = np.random.default_rng(11)
    gone = rng.random(ROWS) < 0.05
    columns["kind"] = np.where(gone, "Unknown", columns["kind"])
    columns["b"] = np.where(gone, -200.0, columns["b"])
    columns["kelvin"] = np.where(gone, 0.0, 280 + 5 * rng.normal(size=ROWS))
    columns["reading"] = np.where(gone, -999, np.where(rng.random(ROWS) < 0.1, 9999, rng.integers(-40, 300, ROWS)))
    columns["visited"] = np.where(gone, np.datetime64("1900-01-01"), columns["visited"])
    found = seen(columns)
    assert {item.column: item.kind for item in found.columns} == dict.fromkeys(
        ["kind", "b", "visited", "kelvin", "reading"], "disguised missing"
    )
    assert found.missing["kind"] == ("Unknown",)
    assert found.missing["b"] == (-200.0,)
    assert set(found.missing["reading"]) == {-999.0, 9999.0}
    assert "1900-01-01" in next(item.what for item in found.columns if item.column == "visited")
    assert seen(columns, literal=["b", "kind"]).missing.keys() == {"kelvin", "reading", "visited"}


@pytest.mark.parametrize("seed", range(3))
def test_zeros_ones_and_nones_that_mean_what_they_say_are_left_alone(seed):
    columns, _ = clean(seed)
    rng = np.random.default_rng(seed)
    columns["rain"] = np.where(rng.random(ROWS) < 0.8, 0, rng.gamma(1, 4, ROWS))
    columns["net"] = rng.poisson(3, ROWS) - 1
    columns["vote"] = rng.integers(-1, 2, ROWS)
    columns["cover"] = rng.choice(["none", "part", "full"], ROWS)
    columns["percent"] = rng.integers(0, 101, ROWS)
    assert kinds(columns) == {}


def test_a_target_in_which_a_value_means_missing_loses_those_rows():
    columns, _ = clean(15, number_target=True)
    columns["y"] = np.where(np.random.default_rng(1).random(ROWS) < 0.1, -200.0, columns["y"] + 30)
    found = seen(columns)
    assert found.missing == {"y": (-200.0,)}
    assert found.structure.kind == "random"
    words, _ = clean(15)
    words["y"] = np.where(np.random.default_rng(1).random(ROWS) < 0.1, "?", words["y"])
    assert seen(words).missing == {"y": ("?",)}
    words["y"] = np.where(words["y"] == "?", "unknown", words["y"])
    assert seen(words).missing == {}  # of a target that may be a class


def test_a_column_that_differs_in_one_row_is_as_good_as_constant():
    columns, _ = clean(16)
    columns["odd"] = np.where(np.arange(ROWS) == 7, "b", "a")
    assert kinds(columns) == {"odd": "nearly constant"}


def test_personal_data_is_known_by_name_and_by_value():
    columns, _ = clean(12)
    columns["contact"] = [f"p{number % 90}@example.org" for number in range(ROWS)]
    columns["HomePhone"] = [f"555-{number % 90:04d}" for number in range(ROWS)]
    columns["telephone"] = np.arange(ROWS) % 2
    columns["version"] = [f"{number % 9}.{number % 7}.0" for number in range(ROWS)]
    assert seen(columns).personal == ["contact", "HomePhone"]


def test_names_addresses_and_numbers_of_persons_are_known_by_their_form():
    columns, _ = clean(17)
    rng = np.random.default_rng(17)
    number = rng.integers(0, 200, ROWS)
    columns |= {
        "entry": [
            f"{rng.choice(['Anna', 'Ivan', 'Mei', 'Zlatko'])} {rng.choice(['Meyer', 'Kim', 'Silva'])}" for _ in number
        ],
        "place": [f"{1 + n} Mill Road" for n in number],
        "reach": [f"+49 30 {100000 + n}" for n in number],
        "code": [f"{100 + n}-12-{1000 + n}" for n in number],
        "day": [f"{1 + n % 28:02}-12-{2000 + n % 20}" for n in number],
        "part": [f"Valve {rng.choice(['Left', 'Right', 'Upper'])} {n % 7}" for n in number],
    }
    assert set(seen(columns).personal) == {"entry", "place", "reach", "code"}


def test_names_of_persons_are_known_in_other_languages_and_where_none_is_common():
    columns, _ = clean(18)
    rng = np.random.default_rng(18)
    given, family = ["Zebulon", "Thaddeus", "Ottokar", "Philippa"], ["Quackenbush", "Zimmerli", "Oyelaran", "McBride"]
    number = rng.integers(0, 200, ROWS)
    columns |= {
        "Name": [f"{given[n % 4]} {family[n // 4 % 4]}" for n in number],
        "rufname": [
            ["Anna", "Peter", "Maria", "Laura", "Paul", "Emma", "Jan", "Eva", "Karl", "Rosa"][n % 10] for n in number
        ],
        "Geburtsdatum": [f"{1950 + n % 50}-0{1 + n % 9}-11" for n in number],
        "Prénom": [f"p{n % 50}" for n in number],
        "Straße": [f"weg {n}" for n in number],
    }
    assert set(seen(columns).personal) == {"Name", "rufname", "Geburtsdatum", "Prénom", "Straße"}
    columns = clean(19)[0] | {"name": [f"valve left {n}" for n in number], "nome": [f"P-{n} Type" for n in number]}
    assert seen(columns).personal == []


def test_repeated_rows_are_counted_but_coarse_tables_may_repeat():
    columns, _ = clean(13)
    doubled = {name: np.concatenate([values, np.asarray(values)[:60]]) for name, values in columns.items()}
    found = [finding for finding in seen(doubled).columns if finding.kind == "duplicate rows"]
    assert [finding.evidence for finding in found] == [{"rows": 60.0}]
    coarse = {name: columns[name] for name in ("flag", "kind", "y")}
    assert kinds(coarse) == {}


def copied(columns: dict[str, Any], rows: int, change: Any) -> dict[str, Any]:
    """The table with its first rows once more, changed, and all rows shuffled."""
    again = {name: np.asarray(values)[:rows].copy() for name, values in columns.items()}
    change(again, np.random.default_rng(0))
    return shuffled({name: np.concatenate([np.asarray(columns[name]), again[name]]) for name in columns})


def jittered(again: dict[str, Any], rng: np.random.Generator) -> None:
    for name in ("a", "b", "holes"):
        again[name] = again[name] * (1 + 1e-3 * rng.normal(size=len(again[name])))


def one_cell(again: dict[str, Any], rng: np.random.Generator) -> None:
    for row in range(len(again["y"])):
        again[str(rng.choice(["a", "b", "count"]))][row] += 5


def respelled(again: dict[str, Any], rng: np.random.Generator) -> None:
    again["kind"] = np.char.add(" ", np.char.upper(again["kind"]))


@pytest.mark.parametrize("change", [jittered, one_cell, respelled])
def test_rows_that_are_nearly_copies_are_found_and_share_a_family(change):
    columns, _ = clean(18)
    table = read_source(copied(columns, 60, change)).table
    found = [item for item in look(table, "y").columns if item.kind == "near-duplicate rows"]
    assert [abs(item.evidence["rows"] - 60) <= 8 for item in found] == [True]
    names = [name for name in table.names if name != "y"]
    target = np.unique(table["y"].astype(str), return_inverse=True)[1].astype(float)
    families = row_families(table, names, target, 0)
    assert abs(table.rows - len(np.unique(families)) - 60) <= 8
    assert np.bincount(families).max() <= 3


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_are_alike_by_nature_are_no_copies(seed):
    rng = np.random.default_rng(seed)
    rows = 2000
    coarse = {f"grade {place}": rng.integers(0, 4, rows) for place in range(6)}
    smooth = {f"sensor {place}": np.cumsum(rng.normal(size=rows)) for place in range(4)}
    for columns in (coarse, smooth, coarse | smooth):
        found = look(read_source({**columns, "y": rng.random(rows) < 0.4}).table, "y")
        assert [item.kind for item in found.columns] == []


def test_bands_and_averages_of_the_target_are_named():
    columns, _ = clean(19, number_target=True)
    y, rng = columns["y"], np.random.default_rng(19)
    band = np.digitize(y, np.quantile(y, [0.2, 0.5, 0.9]))
    assert leaked(columns | {"band": np.array(["low", "mid", "high", "top"])[band]}) == {"band"}
    shop = rng.integers(0, 90, ROWS)
    total, size = np.bincount(shop, y, 90), np.bincount(shop, minlength=90)
    assert leaked(columns | {"level": (total / size)[shop]}) == {"level"}
    names = {"shop": [f"s{number}" for number in shop]}
    assert leaked(columns | names | {"level": ((total + 5 * y.mean()) / (size + 5))[shop]}) == {"level"}
    assert leaked(columns | names | {"others": ((total[shop] - y) / np.maximum(size[shop] - 1, 1))}) == {"others"}
    elsewhere = np.bincount(shop, rng.permutation(y), 90) / size
    assert leaked(columns | names | {"level": elsewhere[shop]}) == set()


def test_a_strong_measurement_is_no_leak_for_its_strength():
    columns, _ = clean(20, rows=1500)
    load = np.random.default_rng(20).normal(size=1500)
    noise = np.random.default_rng(21).normal(size=1500)
    assert leaked(columns | {"load": load, "y": 10 * load + 2.3 * noise}) == set()
    assert leaked(columns | {"load": load, "y": np.where(10 * load + 2.3 * noise > 0, "yes", "no")}) == set()


def test_what_a_column_known_afterwards_is_worth_is_said_with_and_without_it():
    columns, _ = clean(6)
    columns["callDuration"] = 1.7 * (columns["y"] == "yes") + np.random.default_rng(6).normal(size=ROWS)
    leak = seen(columns).leaks[0]
    assert (leak.column, leak.action) == ("callDuration", "mark")
    assert leak.evidence["model_with"] > leak.evidence["model_without"] + 0.03


def test_row_numbers_of_a_table_sorted_by_its_target_are_named_as_a_leak():
    columns, _ = clean(21)
    columns["number"] = np.empty(ROWS, dtype=int)
    columns["number"][np.argsort(columns["y"], kind="stable")] = np.arange(ROWS)
    assert leaked(columns) == {"number"}


@pytest.mark.parametrize("written", ["20240309", "seconds", "milliseconds"])
def test_moments_written_as_whole_numbers_are_a_time(written):
    columns, place = drifting(6)
    hours = np.datetime64("2021-01-01T00") + np.arange(len(place)).astype("timedelta64[h]") * 7
    if written == "20240309":
        columns["d"] = [int(str(day).replace("-", "")) for day in hours.astype("datetime64[D]")]
    else:
        columns["d"] = hours.astype(f"datetime64[{'s' if written == 'seconds' else 'ms'}]").astype(np.int64)
    for rows in (columns, shuffled(columns)):
        assert (seen(rows).structure.kind, seen(rows).structure.by) == ("time", "d")


def test_a_table_arranged_by_a_place_is_not_in_time_order():
    rng = np.random.default_rng(22)
    columns, signal = clean(22, rows=2400)
    city = np.sort(rng.integers(0, 12, 2400))
    columns["city"] = rng.permutation([f"city {number}" for number in range(12)])[city]
    columns["y"] = np.where(signal + 2 * rng.normal(size=12)[city] + rng.logistic(size=2400) > 0, "yes", "no")
    assert seen(columns).structure.kind != "time"


def test_trouble_in_the_target_is_said():
    columns, _ = clean(14, number_target=True, rows=3000)
    capped = columns | {"y": np.minimum(columns["y"], np.quantile(columns["y"], 0.9))}
    assert kinds(capped) == {"y": "capped target"}
    missing = columns | {"y": np.where(columns["a"] > 2, np.nan, columns["y"])}
    assert kinds(missing) == {"y": "target missing"}


def test_an_exact_sum_is_spelled_out():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=100), rng.normal(size=100)
    found = exact_combination({"a": a, "b": b, "c": rng.normal(size=100)}, a - 0.5 * b)
    assert found is not None
    assert (found.columns, found.formula) == (("a", "b"), '"a" + -0.5·"b"')
    assert exact_combination({"a": a, "b": b}, a - b + 0.01 * rng.normal(size=100)) is None


def test_the_area_counts_ties_by_half():
    positive = np.array([False, False, True, True])
    assert area_under_curve(np.array([1.0, 2.0, 2.0, 3.0]), positive) == pytest.approx(0.875)
    assert area_under_curve(np.zeros(4), positive) == 0.5
