"""Explanations for terminals and notebooks."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from flyball.charts import STYLE, Part, number, percent, waterfall
from flyball.explain.explanation import Explanation, Reason

__all__ = ["to_html", "to_text"]

_MOST_DRAWN = 5
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LONGEST_LABEL = 46


def to_text(explanation: Explanation, row: int, *, most: int, width: int) -> str:
    """The lines for one row: its answer, where the score starts, each column's share with a bar, and the sum."""
    output = int(explanation.output[row])
    reasons = explanation.row(row)
    shown, rest = reasons[:most], reasons[most:]
    lines = [(_clipped(f"{one.column} = {one.shown}"), one.contribution) for one in shown]
    said = {place: f"      {_said(one)}" for place, one in enumerate(shown, start=1) if one.words}
    if rest:
        lines.append((f"{_columns(len(rest))} more", sum(one.contribution for one in rest)))
    start, end = float(explanation.base[output]), float(explanation.margin[row, output])
    total = f"{_score(explanation, output)} of this row"
    labels = ["average over the training rows", *(label for label, _ in lines), total]
    figures = _aligned(start, [share for _, share in lines], end)
    left, right = max(map(len, labels)), max(map(len, figures))
    longest = max((abs(share) for _, share in lines), default=0.0)
    bars = ["", *(_bar(share, longest, width) for _, share in lines), ""]
    body = [
        f"  {label.ljust(left)}  {figure.rjust(right)}  {bar}".rstrip()
        for label, figure, bar in zip(labels, figures, bars, strict=True)
    ]
    told = [text for place, line in enumerate(body) for text in (line, said.get(place)) if text is not None]
    return "\n".join([_headline(explanation, row), *told])


def to_html(explanation: Explanation) -> str:
    """The first rows as waterfall charts, self-contained, without script."""
    parts = [f"<style>{STYLE}</style>"]
    for row in range(min(len(explanation), _MOST_DRAWN)):
        output = int(explanation.output[row])
        chart = waterfall(
            float(explanation.base[output]),
            _parts(explanation.row(row)),
            title=f"Why row {row} gets its prediction",
            unit=explanation.unit,
            style=False,
        )
        heading = html.escape(f"Row {row}: {_headline(explanation, row)}")
        parts.append(
            f'<figure style="max-width:44em;margin:0 0 1.5em"><figcaption>{heading}</figcaption>{chart}</figure>'
        )
    if len(explanation) > _MOST_DRAWN:
        parts.append(f"<p>… and {len(explanation) - _MOST_DRAWN:,} more rows.</p>")
    return f'<div class="flyball-explanation">{"".join(parts)}</div>'


def _parts(reasons: Sequence[Reason]) -> list[Part]:
    return [Part(one.column, one.shown, one.contribution) for one in reasons]


def _headline(explanation: Explanation, row: int) -> str:
    answer = explanation.prediction[row : row + 1].tolist()[0]
    if explanation.probability is None or explanation.classes is None:
        return f"prediction {number(answer, 5)}"
    place = explanation.classes.tolist().index(answer)
    return f"prediction {answer}, probability {percent(explanation.probability[row, place])}"


def _score(explanation: Explanation, output: int) -> str:
    if explanation.task == "regression":
        return "prediction"
    return f"{explanation.unit} of {explanation.about(output)}"


def _aligned(start: float, shares: Sequence[float], end: float) -> list[str]:
    """All numbers to the same decimals, three significant digits of the largest; shares with their sign."""
    largest = max(abs(start), abs(end), *map(abs, shares))
    decimals = min(6, max(0, 2 - math.floor(math.log10(largest)))) if largest > 0 else 0
    texts = [f"{start:,.{decimals}f}", *(f"{share:+,.{decimals}f}" for share in shares), f"{end:,.{decimals}f}"]
    return [text.replace("-", "−") for text in texts]


def _said(reason: Reason) -> str:
    """The words that speak most for the output, or against it."""
    return "  ".join(f"{'+' if weight > 0 else '−'} {term.removeprefix('~')}" for term, weight in reason.words)


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"


def _clipped(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"


def _bar(share: float, longest: float, width: int) -> str:
    eighths = round(8 * width * abs(share) / longest) if longest else 0
    full, part = divmod(eighths, 8)
    return "█" * full + _EIGHTHS[part].strip()
