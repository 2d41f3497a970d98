/** What the address chooses: `#/` all models, `#/model/version/section`, or `#/model/watch`. */
export interface Route {
  model: string | null;
  version: number | null;
  section: string | null;
  page: "version" | "watch";
}

export function parseRoute(hash: string): Route {
  const [model, version, section] = hash.replace(/^#?\/?/, "").split("/").map(decode);
  const number = version && /^\d+$/.test(version) ? Number(version) : null;
  return { model: model || null, version: number, section: section || null, page: version === "watch" ? "watch" : "version" };
}

export function routeTo(model: string, version?: number | null, section?: string): string {
  return to([model, version ?? null, section ?? null]);
}

export function routeToWatch(model: string): string {
  return to([model, "watch"]);
}

function to(parts: (string | number | null)[]): string {
  return "#/" + parts.filter((part) => part !== null).map((part) => encodeURIComponent(part)).join("/");
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
