"""How good a model is, honestly: splits that follow the data, metrics with intervals over independent units."""

from flyball.evaluation.auc import NotEnoughData, auc_interval
from flyball.evaluation.diagnostics import calibration_bins, confusion, curves, residual_bins
from flyball.evaluation.evaluate import baseline, class_codes, evaluate
from flyball.evaluation.interval import Interval, wilson
from flyball.evaluation.metrics import METRICS, TASKS, Metric, Task, UnknownMetric, UnknownTask, default_metric, metric
from flyball.evaluation.replication import replication_interval
from flyball.evaluation.resampling import label_codes, time_blocks
from flyball.evaluation.splits import SplitImpossible, SplitKind, SplitPlan, plan_split

__all__ = [
    "METRICS",
    "TASKS",
    "Interval",
    "Metric",
    "NotEnoughData",
    "SplitImpossible",
    "SplitKind",
    "SplitPlan",
    "Task",
    "UnknownMetric",
    "UnknownTask",
    "auc_interval",
    "baseline",
    "calibration_bins",
    "class_codes",
    "confusion",
    "curves",
    "default_metric",
    "evaluate",
    "label_codes",
    "metric",
    "plan_split",
    "replication_interval",
    "residual_bins",
    "time_blocks",
    "wilson",
]
