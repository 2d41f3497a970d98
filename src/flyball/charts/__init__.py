"""Pictures of numbers as SVG text: no script, no fetch, light and dark, legible on a phone."""

from flyball.charts.bars import Bar, bars
from flyball.charts.coverage import coverage
from flyball.charts.frame import STYLE
from flyball.charts.intervals import Span, intervals
from flyball.charts.leaderboard import Entry, leaderboard
from flyball.charts.matrix import matrix
from flyball.charts.numbers import duration, file_size, number, percent, signed, span
from flyball.charts.plots import agreement, calibration, curve, histogram, over_time, sparkline
from flyball.charts.threshold import by_threshold
from flyball.charts.track import track
from flyball.charts.waterfall import Part, waterfall

__all__ = [
    "STYLE",
    "Bar",
    "Entry",
    "Part",
    "Span",
    "agreement",
    "bars",
    "by_threshold",
    "calibration",
    "coverage",
    "curve",
    "duration",
    "file_size",
    "histogram",
    "intervals",
    "leaderboard",
    "matrix",
    "number",
    "over_time",
    "percent",
    "signed",
    "span",
    "sparkline",
    "track",
    "waterfall",
]
