/** Where the charts put a value: a linear scale, and round numbers along it. */
export interface Scale {
  (value: number): number;
  ends: [number, number];
}

export function linear(ends: [number, number], places: [number, number]): Scale {
  const span = ends[1] - ends[0] || 1;
  const place = (value: number) => places[0] + ((value - ends[0]) / span) * (places[1] - places[0]);
  return Object.assign(place, { ends });
}

/** The drawing area of a framed chart in pixels; its width follows the column. */
export const PLOT = {
  height: 200,
  up: [160, 20] as [number, number],
  across: (width: number): [number, number] => [40, width - 16],
};

/** Places of probabilities along an axis, 0 to 1 each, and back, with the values to label. */
export interface ChanceAxis {
  to: (p: number) => number;
  from: (place: number) => number;
  labels: number[];
}

/** A plain axis; or log-odds where the interesting probability is near 0 or 1 and a plain axis would squeeze it. */
export function chanceAxis(interesting: number): ChanceAxis {
  if (interesting >= 0.1 && interesting <= 0.9) return { to: (p) => p, from: (place) => place, labels: [0, 0.25, 0.5, 0.75, 1] };
  const edge = 0.001;
  const reach = Math.log((1 - edge) / edge);
  const to = (p: number) => {
    const held = Math.min(1 - edge, Math.max(edge, p));
    return (Math.log(held / (1 - held)) / reach + 1) / 2;
  };
  return { to, from: (place) => 1 / (1 + Math.exp(-(2 * place - 1) * reach)), labels: [0.001, 0.03, 0.5, 0.97, 0.999] };
}

/** Round numbers within `ends`, about `count` of them, 1, 2 or 5 times a power of ten apart. */
export function ticks(ends: [number, number], count = 5): number[] {
  const span = ends[1] - ends[0];
  if (!(span > 0)) return [ends[0]];
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999) ?? rough;
  const first = Math.ceil(ends[0] / step - 1e-9);
  const last = Math.floor(ends[1] / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}

/** A tick's label: as short as its neighbours allow. */
export function tickLabel(value: number, step: number): string {
  const decimals = Math.min(6, Math.max(0, -Math.floor(Math.log10(Math.abs(step) || 1) + 1e-9)));
  const text = Math.abs(value) >= 10_000 ? value.toLocaleString("en-GB", { notation: "compact", maximumFractionDigits: 1 }) : value.toFixed(decimals);
  return text.replace("-", "−").replace(/^−(0(?:\.0+)?)$/, "$1");
}

export function extent(values: number[], pad = 0): [number, number] {
  const known = values.filter(Number.isFinite);
  if (known.length === 0) return [0, 1];
  const low = Math.min(...known);
  const high = Math.max(...known);
  const room = (high - low) * pad || Math.abs(high) * pad || pad;
  return [low - room, high + room];
}
