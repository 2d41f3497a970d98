"""How good a model is, honestly: splits that follow the data, metrics with intervals over independent units."""

from flyball.evaluation.auc import NotEnoughData, auc_interval
from flyball.evaluation.comparison import Paired, compare
from flyball.evaluation.coverage import coverage_of, coverage_parts
from flyball.evaluation.decision import Choice, Costs, CostsInvalid, choose_threshold, decision
from flyball.evaluation.degenerate import FEWEST_UNITS
from flyball.evaluation.diagnostics import calibration_bins, confusion, curves, residual_bins
from flyball.evaluation.evaluate import baseline, baseline_outputs, class_codes, evaluate
from flyball.evaluation.interval import Interval, wilson
from flyball.evaluation.metrics import METRICS, TASKS, Metric, Task, UnknownMetric, UnknownTask, default_metric, metric
from flyball.evaluation.replication import replication_interval
from flyball.evaluation.resampling import label_codes, time_blocks
from flyball.evaluation.segments import Literal, levels, literals
from flyball.evaluation.slices import RowLoss, Search, Segment, row_loss, search_slices
from flyball.evaluation.splits import SplitImpossible, SplitKind, SplitPlan, plan_split

__all__ = [
    "FEWEST_UNITS",
    "METRICS",
    "TASKS",
    "Choice",
    "Costs",
    "CostsInvalid",
    "Interval",
    "Literal",
    "Metric",
    "NotEnoughData",
    "Paired",
    "RowLoss",
    "Search",
    "Segment",
    "SplitImpossible",
    "SplitKind",
    "SplitPlan",
    "Task",
    "UnknownMetric",
    "UnknownTask",
    "auc_interval",
    "baseline",
    "baseline_outputs",
    "calibration_bins",
    "choose_threshold",
    "class_codes",
    "compare",
    "confusion",
    "coverage_of",
    "coverage_parts",
    "curves",
    "decision",
    "default_metric",
    "evaluate",
    "label_codes",
    "levels",
    "literals",
    "metric",
    "plan_split",
    "replication_interval",
    "residual_bins",
    "row_loss",
    "search_slices",
    "time_blocks",
    "wilson",
]
