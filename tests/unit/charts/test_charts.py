"""Charts are whole, quiet SVG: well-formed, escaped, accessible, within their sheet."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

import flyball.charts as fc

HOSTILE = '</svg><script>alert("x")</script>&\'"'
BINS = [
    {"predicted": 0.1, "observed": 0.12, "low": 0.05, "high": 0.2, "rows": 100},
    {"predicted": 0.8, "observed": 0.7, "low": 0.6, "high": 0.8, "rows": 90},
]
CHARTS: dict[str, Callable[[str], str]] = {
    "bars": lambda t: fc.bars([fc.Bar(t, 3, 2, 4, t), fc.Bar("b", 0)], title=t, unit=t),
    "signed bars": lambda t: fc.bars([fc.Bar(t, -3.0), fc.Bar("b" * 200, 2.0)], title=t),
    "calibration": lambda t: fc.calibration(BINS, title=t),
    "agreement": lambda t: fc.agreement(BINS, title=t, unit=t),
    "roc": lambda t: fc.curve([[0, 0], [0.2, 0.9], [1, 1]], kind="roc", title=t),
    "pr": lambda t: fc.curve([[0.1, 1.0], [1, 0.3]], kind="pr", base_rate=0.3, title=t),
    "histogram": lambda t: fc.histogram(
        [{"low": -1, "high": 0, "rows": 4}, {"low": 0, "high": 1, "rows": 9}], title=t, unit=t
    ),
    "over time": lambda t: fc.over_time([t, t], [1.0, 2.0], low=[0.5, 1.5], high=[1.5, 2.5], title=t, unit=t),
    "sparkline": lambda t: fc.sparkline([1, 3, 2], title=t),
    "waterfall": lambda t: fc.waterfall(-2, [fc.Part(t, t, 1.5), fc.Part("b", "7", -0.2)], title=t, unit=t),
    "leaderboard": lambda t: fc.leaderboard([fc.Entry(t, 0.9, chosen=True), fc.Entry("b", 0.8)], title=t, metric=t),
    "matrix": lambda t: fc.matrix([[8, 2], [0, 5]], [t, "b"], title=t),
    "intervals": lambda t: fc.intervals(
        [fc.Span(t, 0.8, 0.7, 0.9, note=t), fc.Span("b", None), fc.Span("c", 0.5, None, 0.6, warm=True)],
        title=t,
        unit=t,
        reference=0.75,
        reference_name=t,
    ),
    "by threshold": lambda t: fc.by_threshold(
        [{"threshold": at, "called": 1 - at, "cost": (at - 0.3) ** 2, "f1": None} for at in (0, 0.2, 0.5, 1)],
        of=[("cost", t), ("f1", "F1")],
        marks=[(t, 0.2)],
        title=t,
        unit=t,
    ),
    "track": lambda t: fc.track(0.8, 0.7, 0.9, marks=[(t, 0.5), ("b", 0.51)], title=t),
}
EMPTY: dict[str, Callable[[], str]] = {
    "bars": lambda: fc.bars([], title="t"),
    "bars of nothing known": lambda: fc.bars([fc.Bar("a", math.nan)], title="t"),
    "bars of zeros": lambda: fc.bars([fc.Bar("a", 0.0, 0.0, 0.0)], title="t"),
    "calibration": lambda: fc.calibration([], title="t"),
    "agreement": lambda: fc.agreement([], title="t"),
    "curve": lambda: fc.curve([], kind="roc"),
    "histogram": lambda: fc.histogram([], title="t"),
    "over time": lambda: fc.over_time([], [], title="t"),
    "one moment": lambda: fc.over_time(["a"], [1.0], title="t"),
    "sparkline": lambda: fc.sparkline([], title="t"),
    "waterfall": lambda: fc.waterfall(0.0, [], title="t"),
    "leaderboard": lambda: fc.leaderboard([], title="t"),
    "matrix": lambda: fc.matrix([], [], title="t"),
    "intervals": lambda: fc.intervals([], title="t"),
    "one interval": lambda: fc.intervals([fc.Span("a", 0.0, 0.0, 0.0)], title="t", reference=math.nan),
    "by threshold": lambda: fc.by_threshold([], of=[("cost", "cost")], title="t"),
    "by one threshold": lambda: fc.by_threshold(
        [{"threshold": 0.5, "called": 1.0, "cost": 0.0}], of=[("cost", "cost")], marks=[("m", 0.5)], title="t"
    ),
    "track": lambda: fc.track(1.0, None, None, title="t"),
}


@pytest.mark.parametrize("name", CHARTS)
def test_labels_are_text_never_markup(name: str) -> None:
    drawn = CHARTS[name](HOSTILE)
    root = ET.fromstring(drawn)
    assert not [part for part in root.iter() if part.tag.endswith("script")]
    assert HOSTILE in " ".join([*root.itertext(), root.attrib["aria-label"]])


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_says_what_it_shows_and_fetches_nothing(name: str) -> None:
    drawn = CHARTS[name]("Shown here")
    root = ET.fromstring(drawn)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"].startswith("Shown here")
    assert "prefers-color-scheme:dark" in drawn
    assert not re.search(r"url\(|href|@import", drawn)
    assert "nan" not in drawn.replace("nance", "")


@pytest.mark.parametrize("name", CHARTS)
def test_nothing_is_drawn_beyond_the_sheet(name: str) -> None:
    root = ET.fromstring(CHARTS[name]("a"))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for part in root.iter():
        kind = part.tag.rpartition("}")[2]
        if kind == "rect":
            left, top = float(part.attrib["x"]), float(part.attrib["y"])
            assert left >= 0
            assert top >= 0
            assert left + float(part.attrib["width"]) <= width + 0.1
            assert top + float(part.attrib["height"]) <= height + 0.1
        if kind == "text":
            assert 0 <= float(part.attrib["x"]) <= width
            assert 0 <= float(part.attrib["y"]) <= height


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_to_show_is_still_a_chart(name: str) -> None:
    assert ET.fromstring(EMPTY[name]()).tag.endswith("svg")


def test_bars_lengths_are_in_the_ratio_of_their_values() -> None:
    root = ET.fromstring(fc.bars([fc.Bar("a", 4.0), fc.Bar("b", 1.0)], title="t"))
    drawn = [float(part.attrib["width"]) for part in root.iter() if part.attrib.get("class") == "m"]
    assert drawn[0] / drawn[1] == pytest.approx(4, rel=0.02)


def test_a_waterfall_ends_at_base_plus_all_contributions() -> None:
    parts = [fc.Part(f"c{place}", str(place), 0.5 - place * 0.1) for place in range(12)]
    drawn = fc.waterfall(1.0, parts, most=4)
    total = 1.0 + sum(part.contribution for part in parts)
    assert f">{fc.number(total)}<" in drawn
    assert "8 more columns" in drawn


def test_a_cut_label_keeps_its_whole_text_for_the_pointer() -> None:
    name = "a_column_name_that_is_much_longer_than_any_phone_is_wide_and_then_some"
    drawn = fc.bars([fc.Bar(name, 1.0)], title="t")
    assert "…" in drawn
    assert f"<title>{name}</title>" in drawn


def test_the_style_may_stand_in_the_page_instead() -> None:
    assert "<style>" not in fc.bars([fc.Bar("a", 1.0)], title="t", style=False)
    assert ".fb-chart" in fc.STYLE


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (1, "1"), (0.5, "0.5"), (1234, "1,234"), (99999.5, "100,000"), (-0.00123, "−0.00123"), (math.inf, "–"),
     (3e12, "3.00e12"), (0.1 + 0.2, "0.3"), (1e-17, "0")],
)  # fmt: skip
def test_numbers_read_as_people_write_them(value: float, shown: str) -> None:
    assert fc.number(value) == shown


def test_an_interval_shows_the_digits_that_its_width_supports() -> None:
    assert fc.span(0.9736, 0.9615, 0.9831) == "0.974 [0.962, 0.983]"
    assert fc.span(0.8023, 0.7312, 0.8611) == "0.80 [0.73, 0.86]"
    assert fc.span(0.99999, 0.99910, 1.0) == "1.0000 [0.9991, 1.0000]"
    assert fc.span(0.4, 0.3, None) == "0.4 [0.3, –]"
    assert fc.span(None, 1, 2) == "–"


def test_times_sizes_and_shares_carry_their_units() -> None:
    assert [fc.duration(seconds) for seconds in (0.00021, 8.14, 60, 3700, None)] == [
        "0.21 ms", "8.14 s", "1 min", "61 min 40 s", "–",
    ]  # fmt: skip
    assert [fc.file_size(size) for size in (900, 845_321, 2.5e9)] == ["900 B", "845 kB", "2.5 GB"]
    assert [fc.percent(share) for share in (0.5, 0.0339, None)] == ["50 %", "3.4 %", "–"]
    assert fc.signed(0.5) == "+0.5"
