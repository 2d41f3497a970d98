/** What the address chooses: `#/model/version/section`, each part optional. */
export interface Route {
  model: string | null;
  version: number | null;
  section: string | null;
}

export function parseRoute(hash: string): Route {
  const [model, version, section] = hash.replace(/^#?\/?/, "").split("/").map(decode);
  const number = version && /^\d+$/.test(version) ? Number(version) : null;
  return { model: model || null, version: number, section: section || null };
}

export function routeTo(model: string, version?: number | null, section?: string): string {
  const parts = [model, version ?? null, section ?? null].filter((part) => part !== null);
  return "#/" + parts.map((part) => encodeURIComponent(part)).join("/");
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
