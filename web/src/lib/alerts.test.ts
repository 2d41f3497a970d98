import assert from "node:assert/strict";
import { test } from "node:test";
import { chance, columnsOf, gravestFirst, howSure, movedOf, movedWords, shares, step, strength } from "./alerts.ts";
import type { Alert, WatchedColumn, WatchedWindow } from "./types.ts";

const column = (name: string, p: number, moved = false): WatchedColumn => ({ column: name, p, moved, distance: 0.25 });
const alert = (number: number, severity: string, state = "open"): Alert => ({
  number, severity, state, model: "machines", version: 1, columns: [column("torque", 1e-12, true)], windows: 1,
  raised: "2026-11-25T10:00:00Z", changed: "2026-11-25T10:00:00Z", by: "user:ada", reason: "", next: [],
});
const window = (number: number, columns: WatchedColumn[], verdict = "healthy"): WatchedWindow => ({
  number, columns, verdict, version: 1, start: "", end: "", rows: 200, p: 0.3, level: 0.001, alert: null,
});

test("a p-value reads as how often chance does it, and is never nothing", () => {
  assert.deepEqual([0.284, 0.05, 0.0003, 1e-12, 0, null].map((p) => chance(p).replace("\u00a0", " ")), [
    "28 % of windows",
    "1 in 20 windows",
    "1 in 3,300 windows",
    "fewer than 1 in 1,000,000 windows",
    "fewer than 1 in 1,000,000 windows",
    "–",
  ]);
  assert.equal(
    howSure(column("torque", 0.0003), 0.001).replace("\u00a0", " "),
    "25 % of the rows lie elsewhere than before; chance alone does this in 1 in 3,300 windows, the limit is 1 in 1,000 windows",
  );
});

test("heat is one at the limit, and nothing where nothing was judged", () => {
  assert.equal(strength(0.001, 0.001), 1);
  assert.equal(strength(1, 0.001), 0);
  assert.ok((strength(1e-9, 0.001) ?? 0) > 1);
  assert.deepEqual([strength(null, 0.001), strength(0.5, 0)], [null, null]);
});

test("what moved most often stands first, then what came nearest to its limit", () => {
  const windows = [
    window(1, [column("calm", 0.9), column("near", 0.004), column("moved", 0.8)]),
    window(2, [column("moved", 1e-9, true), column("calm", 0.7), column("near", 0.5)], "alarm"),
    window(3, [], "not enough data"),
  ];
  assert.deepEqual(columnsOf(windows), ["moved", "near", "calm"]);
});

test("critical alerts come first, then those that nobody looks after, then the newest", () => {
  const sorted = gravestFirst([alert(1, "warning"), alert(2, "critical", "acknowledged"), alert(3, "critical"), alert(4, "warning")]);
  assert.deepEqual(sorted.map((one) => one.number), [3, 2, 4, 1]);
});

test("inputs and answers that moved are told together, in few words", () => {
  const found = { ...alert(1, "warning"), scores: [{ ...column("P(1)", 0.0001, true), output: true }] };
  assert.equal(movedWords(movedOf(found)), "torque and P(1)");
  assert.equal(movedWords([...movedOf(found), column("a", 0), column("b", 0)]), "torque, P(1) and 2 more");
});

test("a step to take is a command to copy only when it is one", () => {
  assert.deepEqual(step('mended: flyball alerts resolve 8 --reason "what it was"'), {
    words: "mended",
    command: 'flyball alerts resolve 8 --reason "what it was"',
  });
  const words = "here to stay: flyball run on newer data, then promote the new version";
  assert.deepEqual(step(words), { words, command: null });
});

test("of a column without a median the share that moved most is drawn, or what is missing", () => {
  const level = { ...column("type", 0), before: { missing: 0 }, after: { missing: 0 }, cell: { is: "X", share_before: 0, share_after: 0.27 } };
  assert.deepEqual(shares(level), { label: "X", before: 0, after: 0.27 });
  const gone = { ...level, after: { missing: 0.4 }, cell: { is: "missing", share_before: 0, share_after: 0.4 } };
  assert.deepEqual(shares(gone), { label: "missing", before: 0, after: 0.4 });
  assert.equal(shares(column("empty", 0)), null);
});
