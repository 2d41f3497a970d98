import { decimalsFor, number, range } from "./format.ts";
import type { Interval, Maybe, Metrics } from "./types.ts";

interface About {
  label: string;
  better: "higher" | "lower";
  /** The ends of the scale; measures in the target's units have none. */
  ends?: [number, number];
  means: string;
}

const unit: [number, number] = [0, 1];
const METRICS: Record<string, About> = {
  roc_auc: { label: "ROC AUC", better: "higher", ends: unit, means: "chance that a row of the class ranks above one that is not" },
  average_precision: { label: "Average precision", better: "higher", ends: unit, means: "precision averaged over all recalls" },
  accuracy: { label: "Accuracy", better: "higher", ends: unit, means: "share of rows labelled correctly" },
  balanced_accuracy: { label: "Balanced accuracy", better: "higher", ends: unit, means: "recall averaged over the classes" },
  f1: { label: "F1", better: "higher", ends: unit, means: "harmonic mean of precision and recall" },
  macro_f1: { label: "Macro F1", better: "higher", ends: unit, means: "F1 averaged over the classes" },
  precision: { label: "Precision", better: "higher", ends: unit, means: "share of alarms that are right" },
  recall: { label: "Recall", better: "higher", ends: unit, means: "share of positives that are found" },
  log_loss: { label: "Log loss", better: "lower", means: "surprise of the truth, in nats" },
  brier: { label: "Brier score", better: "lower", means: "squared error of the probability" },
  calibration_error: { label: "Calibration error", better: "lower", means: "distance between stated and observed frequency" },
  rmse: { label: "RMSE", better: "lower", means: "root mean squared error" },
  mae: { label: "Mean absolute error", better: "lower", means: "average distance to the truth" },
  median_absolute_error: { label: "Median absolute error", better: "lower", means: "half of the rows are nearer than this" },
  r2: { label: "R²", better: "higher", ends: unit, means: "share of the variance explained" },
  interval_coverage: { label: "Interval coverage", better: "higher", ends: unit, means: "share of truths inside the 90 % interval" },
  set_coverage: { label: "Set coverage", better: "higher", ends: unit, means: "share of truths inside the 90 % class set" },
  set_size: { label: "Set size", better: "lower", means: "classes in a set, on average" },
};
const IN_TARGET_UNITS = new Set(["rmse", "mae", "median_absolute_error"]);

export function about(metric: string): About {
  const words = metric.replaceAll("_", " ");
  return METRICS[metric] ?? { label: words.charAt(0).toUpperCase() + words.slice(1), better: "higher", means: "" };
}

/** Three decimals for measures without unit; as many as the interval justifies for the others. */
export function decimals(metric: string, interval: Interval): number {
  return IN_TARGET_UNITS.has(metric) ? decimalsFor(interval) : 3;
}

export function unitOf(metric: string, target: string): string {
  return IN_TARGET_UNITS.has(metric) ? `in units of ${target}` : "";
}

export function say(metric: string, interval: Interval | undefined): { value: string; range: string } {
  if (!interval) return { value: "–", range: "" };
  const places = decimals(metric, interval);
  return { value: number(interval.value, places), range: range(interval, places) };
}

/** The model's own metric first, then the others as the table above lists them, unknown ones last. */
export function ordered(metrics: Metrics, first: string): string[] {
  const known = Object.keys(METRICS);
  const place = (name: string) => (name === first ? -1 : known.includes(name) ? known.indexOf(name) : known.length);
  return Object.keys(metrics).sort((a, b) => place(a) - place(b));
}

/** One scale for everything known about a metric, with room at both ends; it holds zero for errors. */
export function scaleFor(metric: string, intervals: (Interval | undefined)[]): [number, number] {
  const ends = about(metric).ends;
  const known = intervals.flatMap((one) => [one?.value, one?.low, one?.high]).filter(isNumber);
  if (ends && known.every((value) => value >= ends[0] && value <= ends[1])) return ends;
  const low = Math.min(0, ...known);
  const high = Math.max(0, ...known);
  return low === high ? [0, 1] : [low, high + (high - low) * 0.06];
}

export function isNumber(value: Maybe): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

const TASKS: Record<string, string> = {
  binary: "two classes",
  multiclass: "several classes",
  regression: "a number",
  external: "made by another tool",
};

export function taskWords(task: string): string {
  return TASKS[task] ?? task;
}
