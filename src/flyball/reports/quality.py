"""How good the model is: every metric with its interval, the curves, and whether its probabilities keep their word."""

from __future__ import annotations

from flyball.charts import agreement, calibration, curve, histogram, matrix, number
from flyball.evaluation import METRICS
from flyball.reports.conformal import conformal_charts, conformal_sentence
from flyball.reports.evidence import Evidence
from flyball.reports.html import e, figure, section, table

__all__ = ["quality"]

_ARROWS = {"higher": "↑", "lower": "↓"}


def quality(evidence: Evidence) -> str:
    rows = evidence.part("split").get("test_rows")
    judged = f"{number(rows)} test rows" if rows is not None else "the test rows"
    lead = (
        f"Measured on {judged} that took no part in making the model. The bracket behind a test figure holds, at 90 %, "
        "the figure of as many new rows; the others are 90 % confidence intervals. All resample the independent units "
        "of the split. The baseline knows the target's distribution and looks at no column. An arrow says which way is "
        "better."
    )
    charts = "".join([*_classifier_charts(evidence), *_regressor_charts(evidence), *conformal_charts(evidence)])
    grid = f'<div class="grid">{charts}</div>' if charts else ""
    said = conformal_sentence(evidence.part("conformal"))
    promise = f'<p class="lead">{e(said)}.</p>' if said else ""
    if _weighed(evidence):
        lead += f" Figures and pictures weigh each row by {e(_weighed(evidence))}."
    return section("quality", "Quality", lead, _metrics(evidence), promise, grid)


def _weighed(evidence: Evidence) -> str | None:
    """The column that weighs the rows."""
    return evidence.part("data").get("weight")


def _metrics(evidence: Evidence) -> str:
    rows = []
    for name in evidence.metrics:
        metric = METRICS[name]
        arrow = f'<span class="way" role="img" aria-label="{metric.better} is better">{_ARROWS[metric.better]}</span>'
        label = f"{e(metric.label)} {arrow}<small>{e(metric.meaning)}</small>"
        cells = [e(evidence.shown(part, name)) for part in ("test", "cv", "baseline")]
        rows.append([label, f"<strong>{cells[0]}</strong>", cells[1], cells[2]])
    heads = ["Metric", "Test", "Cross-validation", "Baseline"]
    made = table(heads, rows, caption="Metrics with 90 % intervals", numeric=(1, 2, 3), wide=0)
    judged = evidence.metrics[:1] == [evidence.metric]
    return made.replace("<tbody><tr>", '<tbody><tr class="main-row">', 1) if judged else made


def _classifier_charts(evidence: Evidence) -> list[str]:
    charts, curves = [], evidence.part("curves")
    bins = evidence.part("calibration").get("bins")
    if bins:
        error = evidence.shown("test", "calibration_error")
        meant = "positive" if curves else "of the class that was named"
        caption = f"Of rows given 70 %, about 70 % should be {meant}: dots on the dashed line. Mean gap {e(error)}."
        charts.append(figure(calibration(bins, style=False), "Do the probabilities keep their word?", caption))
    if curves.get("roc"):
        caption = f"Further into the upper left is better. Area {e(evidence.shown('test', 'roc_auc'))}."
        charts.append(figure(curve(curves["roc"], kind="roc", style=False), "Finding against false alarms", caption))
    if curves.get("pr"):
        base = evidence.measured("baseline", "average_precision").get("value")
        caption = "The more is found, the more false ones come along. The dashed line is guessing."
        chart = curve(curves["pr"], kind="pr", base_rate=base, style=False)
        charts.append(figure(chart, "How pure the finds are", caption))
    weighed = evidence.part("confusion").get("weights")
    counts, classes = weighed or evidence.part("confusion").get("counts"), evidence.document.get("classes")
    if counts and classes:
        chart = matrix(counts, [str(name) for name in classes], title="True and predicted classes", style=False)
        of, cell = ("weight", "weights") if weighed else ("rows", "counts")
        numbers = (
            f"Numbers are percent of the true class's {of}." if len(classes) <= 8 else f"Rest on a cell for its {cell}."
        )
        charts.append(figure(chart, "What is taken for what", f"Each line is a true class. {numbers}"))
    return charts


def _regressor_charts(evidence: Evidence) -> list[str]:
    charts, residuals = [], evidence.part("residuals")
    if residuals.get("by_prediction"):
        chart = agreement(residuals["by_prediction"], title="Predicted and true", unit=evidence.target, style=False)
        within = "nine tenths of the weight" if _weighed(evidence) else "nine of ten rows"
        caption = f"Tenths of the rows by prediction: the dot is the median truth, the line holds {within}."
        charts.append(figure(chart, "Does the prediction come true?", caption))
    if residuals.get("bins"):
        chart = histogram(residuals["bins"], title="Errors", unit="truth minus prediction", style=False)
        charts.append(figure(chart, "How the errors spread", "The outermost 1 % stand in the outer bars."))
    return charts
