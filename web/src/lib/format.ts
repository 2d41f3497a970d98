import type { Cell, Interval, Maybe } from "./types.ts";

export const DASH = "–";
const LOCALE = "en-GB";

/** A number with thousands separators and at most `decimals` places; a dash when it is missing. */
export function number(value: Maybe, decimals = 0, least = decimals): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  const text = value.toLocaleString(LOCALE, { minimumFractionDigits: least, maximumFractionDigits: decimals });
  return text.replace("-", "−").replace(/^−(0(?:\.0+)?)$/, "$1");
}

/** A signed number, as contributions are read. */
export function signed(value: Maybe, decimals = 2): string {
  const text = number(value, decimals);
  return value !== null && value !== undefined && value > 0 && text !== number(0, decimals) ? `+${text}` : text;
}

/** As many decimals as the width of the interval justifies: one digit beyond its first. */
export function decimalsFor(interval: Interval): number {
  const { value, low, high } = interval;
  const known = low !== null && low !== undefined && high !== null && high !== undefined && high > low;
  const scale = known ? high - low : Math.abs(value ?? 0) / 100;
  if (!(scale > 0)) return 3;
  return Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(scale))));
}

export function range(interval: Interval, decimals: number): string {
  if (interval.low === null || interval.low === undefined) return "";
  return `${number(interval.low, decimals)} to ${number(interval.high, decimals)}`;
}

/** A share as a percentage; one that is not all is never rounded to all, nor one that is not nothing to nothing. */
export function percent(share: Maybe, decimals = 0): string {
  if (share === null || share === undefined) return DASH;
  const least = 10 ** -decimals;
  const sign = "\u00a0%"; // never parted from its number
  if (share > 0 && share * 100 < least / 2) return `< ${number(least, decimals)}${sign}`;
  if (share < 1 && share * 100 > 100 - least / 2) return `> ${number(100 - least, decimals)}${sign}`;
  return number(share * 100, share === 0 || share === 1 ? 0 : decimals) + sign;
}

export function bytes(size: Maybe): string {
  if (size === null || size === undefined) return DASH;
  if (size < 1000) return `${size} B`;
  const [divisor, unit] = size < 1e6 ? [1e3, "kB"] : size < 1e9 ? [1e6, "MB"] : [1e9, "GB"];
  return `${number(size / divisor, size / divisor < 10 ? 1 : 0)} ${unit}`;
}

export function milliseconds(value: Maybe): string {
  return value === null || value === undefined ? DASH : `${number(value, value < 1 ? 3 : 1)} ms`;
}

export function seconds(value: Maybe): string {
  return value === null || value === undefined ? DASH : `${number(value, value < 10 ? 1 : 0)} s`;
}

/** A very small number in scientific notation, as 3.1 × 10⁻⁷. */
export function tiny(value: Maybe): string {
  if (value === null || value === undefined) return DASH;
  if (value === 0 || Math.abs(value) >= 0.001) return number(value, 4, 0);
  const [digits = "", power = ""] = value.toExponential(1).split("e");
  const raised = [...power].map((sign) => ("0123456789".includes(sign) ? "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(sign)] : sign === "-" ? "⁻" : "")).join("");
  return `${digits.replace("-", "−")} × 10${raised}`;
}

export function day(time: string): string {
  return date(time, { day: "numeric", month: "short", year: "numeric" });
}

export function moment(time: string): string {
  return date(time, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}

function date(time: string, options: Intl.DateTimeFormatOptions): string {
  const parsed = new Date(time);
  return Number.isNaN(parsed.valueOf()) ? time : parsed.toLocaleString(LOCALE, options);
}

/** How long ago, in one unit that a person would use. */
export function age(milliseconds: number): string {
  const passed = Math.max(0, Math.floor(milliseconds / 1000));
  const units: [number, string][] = [
    [86_400, "day"],
    [3_600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  for (const [size, name] of units) {
    const count = Math.floor(passed / size);
    if (count >= 1) return `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  return "just now";
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** A value of a table, as a person would write it. */
export function cell(value: Cell): string {
  if (value === null || value === undefined) return "missing";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return Math.abs(value) < 1e15 ? String(value).replace("-", "−") : value.toExponential(3);
  const size = Math.abs(value);
  return size >= 1e-4 && size < 1e9 ? number(value, size >= 100 ? 1 : size >= 1 ? 2 : 4, 0) : tiny(value);
}

/** A phrase with a capital letter at its start. */
export function sentence(text: string | null | undefined): string {
  return text ? text.charAt(0).toUpperCase() + text.slice(1) : "";
}

export function short(hash: string | null | undefined): string {
  return hash ? hash.slice(0, 10) : DASH;
}
