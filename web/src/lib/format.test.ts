import assert from "node:assert/strict";
import { test } from "node:test";
import { age, bytes, cell, decimalsFor, number, percent, range, signed, tiny } from "./format.ts";
import { ordered, scaleFor } from "./metrics.ts";
import { parseRoute, routeTo, routeToWatch } from "./route.ts";
import { chanceAxis, tickLabel, ticks } from "./scale.ts";

test("a missing number is a dash, never zero and never NaN", () => {
  for (const missing of [null, undefined, Number.NaN, Infinity]) assert.equal(number(missing, 2), "–");
});

test("a number that rounds to zero carries no sign", () => {
  assert.equal(number(-0.0004, 3), "0.000");
  assert.equal(signed(0.0004, 3), "0.000");
  assert.equal(signed(0.5, 1), "+0.5");
  assert.equal(signed(-0.5, 1), "−0.5");
});

test("an interval decides how many decimals are meant", () => {
  assert.equal(decimalsFor({ value: 46_812, low: 45_362, high: 48_262 }), 0);
  assert.equal(decimalsFor({ value: 1.412, low: 1.3, high: 1.52 }), 2);
  assert.equal(range({ value: 1, low: 0.5, high: null }, 1), "0.5 to –");
});

test("a share is rounded to all or nothing only when it is", () => {
  const said = [percent(1, 1), percent(0.9999, 1), percent(0, 1), percent(0.0001, 1), percent(0.31)];
  assert.deepEqual(said.map((one) => one.replace("\u00a0", " ")), ["100 %", "> 99.9 %", "0 %", "< 0.1 %", "31 %"]);
});

test("sizes, ages and tiny numbers read as people say them", () => {
  assert.equal(bytes(1_843_200), "1.8 MB");
  assert.equal(age(61_000), "1 minute ago");
  assert.equal(age(7_300_000), "2 hours ago");
  assert.equal(age(-5), "just now");
  assert.equal(tiny(3.1e-7), "3.1 × 10⁻⁷");
});

test("cells of a table keep their digits", () => {
  assert.deepEqual([null, 221, -4, 298.1, 0.5, true, "L"].map(cell), ["missing", "221", "−4", "298.1", "0.5", "true", "L"]);
});

test("ticks are round, inside the ends and few", () => {
  assert.deepEqual(ticks([0, 1], 4), [0, 0.5, 1]);
  for (const ends of [[-3, 17], [0.61, 0.93], [1e5, 9e5]] as [number, number][]) {
    const found = ticks(ends, 4);
    assert.ok(found.length >= 2 && found.length <= 6, String(found));
    assert.ok(found.every((value) => value >= ends[0] - 1e-9 && value <= ends[1] + 1e-9));
  }
  assert.equal(tickLabel(0.1 + 0.2, 0.1), "0.3");
});

test("a scale holds every value that is drawn on it", () => {
  const [low, high] = scaleFor("r2", [{ value: -0.4, low: -0.6, high: 0.1 }]);
  assert.ok(low <= -0.6 && high >= 0.1);
  assert.deepEqual(scaleFor("roc_auc", [{ value: 0.9, low: 0.8, high: 0.95 }]), [0, 1]);
});

test("the model's own metric comes first, unknown ones last", () => {
  const one = { value: 1, low: 1, high: 1 };
  const metrics = { a_new_one: one, accuracy: one, log_loss: one, roc_auc: one };
  assert.deepEqual(ordered(metrics, "log_loss"), ["log_loss", "roc_auc", "accuracy", "a_new_one"]);
  assert.deepEqual(ordered(metrics, "brier"), ["roc_auc", "accuracy", "log_loss", "a_new_one"]);
});

test("an address names model, version and section, whatever the model is called", () => {
  const name = "a/b # 100% ü";
  assert.deepEqual(parseRoute(routeTo(name, 12, "gates")), { model: name, version: 12, section: "gates", page: "version" });
  assert.deepEqual(parseRoute(routeToWatch(name)), { model: name, version: null, section: null, page: "watch" });
  assert.deepEqual(parseRoute(""), { model: null, version: null, section: null, page: "version" });
  assert.equal(parseRoute("#/m/latest").version, null);
  assert.equal(parseRoute("#/%E0%A4%A").model, "%E0%A4%A");
});

test("an axis of probabilities leads back to where it came from, near the edges as well", () => {
  for (const interesting of [0.5, 0.038, 0.98])
    for (const p of [0.002, 0.038, 0.5, 0.97]) {
      const axis = chanceAxis(interesting);
      assert.ok(Math.abs(axis.from(axis.to(p)) - p) < 1e-9, `${p} by ${interesting}`);
      assert.ok(axis.to(p) >= 0 && axis.to(p) <= 1);
    }
  assert.ok(chanceAxis(0.038).to(0.038) > 0.2, "a threshold of 4 % stands clear of the edge");
});
