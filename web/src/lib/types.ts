/** The documents that the control plane answers with; NaN arrives as null. */

export type Maybe = number | null | undefined;

export interface Interval {
  value: Maybe;
  low: Maybe;
  high: Maybe;
}

export type Metrics = Record<string, Interval>;

export interface ImportanceItem extends Interval {
  column: string;
}

export interface EffectBin {
  label: string;
  value: Maybe;
  rows: number;
}

export interface Effect {
  column: string;
  bins: EffectBin[];
}

export interface CalibrationBin {
  predicted: Maybe;
  observed: Maybe;
  low: Maybe;
  high: Maybe;
  rows: number;
  /** Share of the whole weight, where rows are weighed. */
  weight?: number;
}

export interface HistogramBin {
  low: number;
  high: number;
  rows: number;
  /** Share of the whole weight, where rows are weighed. */
  weight?: number;
}

export interface Finding {
  kind?: string;
  column: string;
  what?: string;
  why: string;
  action: string;
}

export interface RandomGap extends Interval {
  metric: string;
  random: Maybe;
  honest: Maybe;
}

export interface SplitShift {
  auc: Interval;
  demonstrated: boolean;
  columns: { column: string; share: number }[];
}

export type Point = [number, number];

export type Cell = string | number | boolean | null | undefined;

export interface Example {
  prediction?: Cell;
  probability?: Maybe | Record<string, Maybe>;
  target?: Cell;
  reasons?: { column: string; value?: Cell; contribution?: Maybe }[];
}

/** A part of the test rows: in words, how many, and the metric on them (null where they leave it undefined). */
export interface SlicePart {
  text: string;
  rows: number;
  metric?: Interval | null;
}

export interface WeakSlice extends SlicePart {
  share?: Maybe;
  excess?: Interval;
  p_value?: Maybe;
}

export interface Slices {
  metric: string;
  overall?: Interval | null;
  loss?: { name: string; overall?: Maybe };
  status: string;
  why?: string;
  searched?: { segments?: number; columns?: string[]; rows?: number; units?: number; unit?: string };
  rate?: { value?: Maybe; meaning?: string };
  findable?: Maybe;
  found?: WeakSlice[];
  hard?: WeakSlice[];
  named?: { column: string; metric: string; levels: SlicePart[] }[];
  skipped?: { personal?: string[]; leaks?: string[] };
}

/** `difference` is ours minus theirs. */
export interface Paired {
  ours: Maybe;
  theirs: Maybe;
  difference: Interval;
  p_value?: Maybe;
  outcome: string;
}

export interface Comparison {
  with: string;
  alias?: string | null;
  version?: number;
  comparable?: boolean;
  same?: boolean;
  reason?: string | null;
  fair?: boolean;
  caution?: string | null;
  rows?: number;
  rows_seen?: number;
  unit?: string;
  metrics?: Record<string, Paired>;
  text?: string | null;
}

export interface ThresholdPoint {
  threshold: number;
  called: Maybe;
  precision: Maybe;
  recall: Maybe;
  f1: Maybe;
  cost: Maybe;
}

export interface Decision {
  threshold: number;
  rows?: number;
  positive_class?: string;
  why?: string;
  chosen_on?: { rows: number; what: string } | null;
  costs?: Record<string, number> | null;
  cost?: Record<string, Interval> | null;
  saved?: Record<string, Interval> | null;
  curve?: ThresholdPoint[];
}

export interface CoveragePart extends Interval {
  name: string;
  rows: number;
  /** Mean width of the interval, or mean number of classes in the set. */
  size?: Maybe;
}

/** What intervals or class sets promised, against what the test rows show; `held` is null where they cannot tell. */
export interface Conformal {
  kind: string;
  method?: string;
  level: number;
  target?: string;
  unit?: string;
  rows?: number;
  coverage?: Interval | null;
  held?: boolean | null;
  width?: { mean?: Maybe; low?: Maybe; median?: Maybe; high?: Maybe };
  bounds?: { floor?: Maybe; ceiling?: Maybe };
  size?: { mean?: Maybe; empty?: Maybe; single?: Maybe; several?: Maybe; single_right?: Maybe };
  filled?: Maybe;
  by?: { by: string; parts: CoveragePart[] }[];
}

/** Where the project file goes another way than the look at the data. */
export interface Overrule {
  kind: string;
  column?: string | null;
  setting?: string;
  found?: { action?: string; what?: string; why?: string };
  chosen?: string;
  loosens?: boolean;
  text: string;
}

export interface Evidence {
  task?: string;
  target?: string;
  metric?: string;
  classes?: string[] | null;
  positive_class?: string | null;
  data?: {
    dataset?: string;
    version?: string;
    rows?: number;
    columns?: number;
    weight?: string | null;
    used?: string[];
    left_out?: { column: string; why: string }[];
    personal?: string[];
  };
  split?: { kind: string; by?: string | null; confidence?: Maybe; why?: string; train_rows?: number; test_rows?: number; test_file?: string | null; details?: string[] };
  metrics?: { cv?: Metrics; test?: Metrics; baseline?: Metrics };
  slices?: Slices | null;
  comparisons?: { baseline?: Comparison | null; champion?: Comparison | null } | null;
  decision?: Decision | null;
  conformal?: Conformal | null;
  overrules?: Overrule[];
  random_gap?: RandomGap | null;
  shift?: SplitShift | null;
  leaks?: Finding[];
  findings?: Finding[];
  calibration?: { bins: CalibrationBin[] } | null;
  residuals?: { bins?: HistogramBin[]; by_prediction?: CalibrationBin[] } | null;
  curves?: { roc?: Point[]; pr?: Point[] } | null;
  /** `counts` of rows; `weights` are the sums of their weights, where rows are weighed. */
  confusion?: { classes: string[]; counts: number[][]; weights?: number[][] } | null;
  threshold?: Maybe;
  importance?: ImportanceItem[];
  effects?: Effect[];
  examples?: Example[];
  parity?: { rows?: number; max_abs_diff?: Maybe } | null;
  latency?: { single_row_ms?: Maybe; graph_ms?: Maybe } | null;
  size_bytes?: Maybe;
  budget?: { seconds?: Maybe; used_seconds?: Maybe } | null;
  code?: { git_commit?: string | null } | null;
  seed?: Maybe;
}

export interface Rule {
  rule: string;
  measured: string;
  passes: boolean;
  passes_at: string;
  where: string | null;
}

export interface Gate {
  gate: string;
  passed: boolean;
  results: Rule[];
}

export interface Version {
  number: number;
  created: string;
  actor: string;
  reason: string;
  evidence: Evidence;
  gates: Gate[];
  bundle: { path: string; content_hash: string; size_bytes: Maybe; signed_by: string | null };
}

export interface Alias {
  alias: string;
  number: number;
  since: string;
}

export interface Entry {
  seq: number;
  time: string;
  what: string;
  subject: string;
  why: string;
  actor: string | { kind?: string; id?: string };
  hash: string;
}

export interface Model {
  name: string;
  task: string;
  target: string;
  metric: string;
  versions: Version[];
  aliases: Alias[];
  history: Entry[];
}

/** A model that other tools made alone: what their runs logged stands in the evidence, there is no bundle. */
export interface ExternalModel extends Pick<Model, "name" | "aliases" | "history"> {
  task: "external";
  versions: ExternalVersion[];
}

export interface ExternalVersion extends Pick<Version, "number" | "created" | "actor" | "reason" | "gates"> {
  evidence: {
    source?: string;
    run?: { id: string; name: string; user: string } | null;
    logged?: Record<string, number>;
    imported?: { standing: string };
    params?: Record<string, string>;
    code?: Record<string, string>;
    data?: { inputs?: { name: string; digest: string }[] };
  };
}

/** How a column looked in the reference or in a window; only `rows` and `missing` for what is no number. */
export interface ColumnNumbers {
  rows?: Maybe;
  missing?: Maybe;
  low?: Maybe;
  median?: Maybe;
  high?: Maybe;
  spread?: Maybe;
}

/** One column in one window: `p` is how rare its change is by chance, `distance` the share of rows that lie elsewhere. */
export interface WatchedColumn {
  column: string;
  kind?: string;
  output?: boolean;
  p: Maybe;
  moved: boolean;
  distance?: Maybe;
  before?: ColumnNumbers;
  after?: ColumnNumbers;
  cell?: { is: string; share_before: number; share_after: number };
  what?: string;
}

export interface WatchedWindow {
  version: number;
  number: number;
  start: string;
  end: string;
  rows: number;
  verdict: string;
  p: Maybe;
  level: number;
  alert: number | null;
  why?: string;
  reference_rows?: number;
  columns?: WatchedColumn[] | null;
}

export interface Alert {
  number: number;
  model: string;
  version: number;
  state: string;
  severity: string;
  /** Inputs that moved, and answers. */
  columns: WatchedColumn[];
  scores?: WatchedColumn[];
  window?: { number?: number; start?: string; end?: string; rows?: number } | null;
  p?: Maybe;
  level?: Maybe;
  budget?: string | null;
  windows: number;
  raised: string;
  changed: string;
  by: string;
  reason: string;
  next: string[];
}

export interface Watch {
  model: string;
  state: string;
  since: string;
  budget: string;
  level: number;
  fewest: number;
  /** How many of the windows chance alone would make alarm, at 95 %. */
  false_alarm_range?: [number, number];
  windows: WatchedWindow[];
  waiting: { version: number; rows: number; wanted: number | null; late: number }[];
  alerts: Alert[];
  not_watched?: { personal?: string[] };
}

/** What `flyball status` tells of a model. */
export interface ModelStatus {
  name: string;
  task: string | null;
  versions: number;
  newest: string | null;
  created: string | null;
  metric: string | null;
  quality: Interval | null;
  aliases: Alias[];
}

export interface Status {
  project: string;
  models: ModelStatus[];
  alerts?: Alert[];
  predictions: number;
  outcomes: number;
}

export interface Project {
  name: string;
  version: string;
  models: string[];
}

export interface Audit {
  ok: boolean;
  problems: { code?: string; where?: string; what?: string }[];
}
