import { number, percent } from "./format.ts";
import type { Alert, Maybe, WatchedColumn, WatchedWindow } from "./types.ts";

/** Inputs that moved, then answers. */
export function movedOf(alert: Alert): WatchedColumn[] {
  return [...alert.columns, ...(alert.scores ?? [])];
}

/** "torque", "torque and wear", "torque, wear and 3 more columns". */
export function movedWords(columns: { column: string }[]): string {
  const names = columns.map((one) => one.column);
  if (names.length <= 2) return names.join(" and ");
  return `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;
}

/** The gravest first, among equals the newest. */
export function gravestFirst(alerts: Alert[]): Alert[] {
  const weight = (alert: Alert) => (alert.severity === "critical" ? 2 : 0) + (alert.state === "open" ? 1 : 0);
  return [...alerts].sort((a, b) => weight(b) - weight(a) || b.number - a.number);
}

/** How often chance alone does it, as people say it: "28 % of windows", "1 in 3,300 windows"; never as nothing. */
export function chance(p: Maybe): string {
  if (p === null || p === undefined) return "–";
  if (p < 1e-6) return "fewer than 1 in 1,000,000 windows";
  if (p >= 0.1) return `${percent(p)} of windows`;
  return `1 in ${number(Number((1 / p).toPrecision(2)))} windows`;
}

/** How near a p-value comes to the limit: 0 when chance explains all, 1 at the limit, more beyond it. */
export function strength(p: Maybe, level: number): number | null {
  if (p === null || p === undefined || !(level > 0) || level >= 1) return null;
  return Math.max(0, Math.log(Math.max(p, 1e-300)) / Math.log(level));
}

/** Columns of any of the windows: those that moved most often first, then those that came nearest to the limit. */
export function columnsOf(windows: WatchedWindow[]): string[] {
  const seen = new Map<string, { moved: number; most: number }>();
  for (const window of windows)
    for (const column of window.columns ?? []) {
      const one = seen.get(column.column) ?? { moved: 0, most: 0 };
      one.moved += column.moved ? 1 : 0;
      one.most = Math.max(one.most, strength(column.p, window.level) ?? 0);
      seen.set(column.column, one);
    }
  return [...seen].sort(([, a], [, b]) => b.moved - a.moved || b.most - a.most).map(([name]) => name);
}

/** A step of an alert's "what to do": a command to copy, with what it is for, or plain words. */
export function step(text: string): { words: string; command: string | null } {
  const found = /^(.*?)(flyball alerts .*)$/.exec(text);
  if (!found) return { words: text, command: null };
  return { words: (found[1] ?? "").replace(/:\s*$/, ""), command: found[2] ?? null };
}

/** Lines of "before" and "now" for what has no median: the share of rows in the value that moved most. */
export function shares(column: WatchedColumn): { label: string; before: number; after: number } | null {
  const { before, after, cell } = column;
  const gap = Math.abs((after?.missing ?? 0) - (before?.missing ?? 0));
  if (cell && (cell.is !== "missing" || gap === 0) && Math.abs(cell.share_after - cell.share_before) >= gap)
    return { label: cell.is, before: cell.share_before, after: cell.share_after };
  return typeof after?.missing === "number" && typeof before?.missing === "number" ? { label: "missing", before: before.missing, after: after.missing } : null;
}

/** How far a column moved, and how sure that is. */
export function howSure(column: WatchedColumn, level: Maybe): string {
  const far = typeof column.distance === "number" ? `${percent(column.distance)} of the rows lie elsewhere than before; ` : "";
  return `${far}chance alone does this in ${chance(column.p)}${typeof level === "number" ? `, the limit is ${chance(level)}` : ""}`;
}
