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
}

export interface HistogramBin {
  low: number;
  high: number;
  rows: number;
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

export type Point = [number, number];

export type Cell = string | number | boolean | null | undefined;

export interface Example {
  prediction?: Cell;
  probability?: Maybe | Record<string, Maybe>;
  target?: Cell;
  reasons?: { column: string; value?: Cell; contribution?: Maybe }[];
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
    used?: string[];
    left_out?: { column: string; why: string }[];
    personal?: string[];
  };
  split?: { kind: string; by?: string | null; confidence?: Maybe; why?: string; train_rows?: number; test_rows?: number };
  metrics?: { cv?: Metrics; test?: Metrics; baseline?: Metrics };
  random_gap?: RandomGap | null;
  leaks?: Finding[];
  findings?: Finding[];
  calibration?: { bins: CalibrationBin[] } | null;
  residuals?: { bins?: HistogramBin[]; by_prediction?: CalibrationBin[] } | null;
  curves?: { roc?: Point[]; pr?: Point[] } | null;
  confusion?: { classes: string[]; counts: number[][] } | null;
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

export interface Project {
  name: string;
  version: string;
  models: string[];
}

export interface Audit {
  ok: boolean;
  problems: { code?: string; where?: string; what?: string }[];
}
