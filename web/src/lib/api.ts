import type { Alert, Audit, Comparison, ExternalModel, Model, Project, Status, Watch } from "./types.ts";

const TIMEOUT_MS = 10_000;
const WATCHED = "30d";
export const MOST_WINDOWS = 60;

/** Why a question to the control plane got no answer, in words for a person. */
export class Problem extends Error {
  readonly code: string | null;
  readonly reachable: boolean;
  readonly status: number | null;
  readonly lines: [string, string][];

  constructor(what: string, options: { code?: string | null; status?: number | null; lines?: [string, string][] } = {}) {
    super(what);
    this.code = options.code ?? null;
    this.status = options.status ?? null;
    this.reachable = this.status !== null;
    this.lines = options.lines ?? [];
  }
}

async function get(path: string, timeoutMs = TIMEOUT_MS): Promise<unknown> {
  let response: Response;
  try {
    const address = new URL(`api/v1/${path}`, document.baseURI);
    address.username = address.password = ""; // fetch refuses a page's own user:token@; the browser sends them anyway
    response = await fetch(address, {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    const slow = error instanceof DOMException && error.name === "TimeoutError";
    throw new Problem(slow ? `The server did not answer within ${timeoutMs / 1000} seconds` : "The server cannot be reached");
  }
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw refusal(response.status, body);
  if (body === null) throw new Problem("The server answered with something that is not JSON", { status: response.status });
  return body;
}

/** The coded error of the answer; it lies at the top or below `error`. */
function refusal(status: number, body: unknown): Problem {
  const outer = asRecord(body);
  const document = "what" in outer ? outer : asRecord(outer.error);
  const what = typeof document.what === "string" ? document.what : `The server answered with status ${status}`;
  const facts = Object.entries({ where: document.where, why: document.why, ...asRecord(document.facts), fix: document.fix });
  const lines = facts.filter((pair): pair is [string, string] => typeof pair[1] === "string" && pair[1] !== "");
  return new Problem(what, { code: typeof document.code === "string" ? document.code : null, status, lines });
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

export const getProject = () => get("project") as Promise<Project>;
export const getModel = (name: string) => get(`models/${encodeURIComponent(name)}`) as Promise<Model | ExternalModel>;
export const getStatus = () => get("status") as Promise<Status>;
export const getWatch = (name: string) =>
  get(`models/${encodeURIComponent(name)}/watch?since=${WATCHED}&limit=${MOST_WINDOWS}`) as Promise<Watch>;
/** The alerts about a model, newest first. */
export const getAlerts = (name: string, resolved = false) =>
  get(`alerts?model=${encodeURIComponent(name)}${resolved ? "&resolved=true" : ""}`) as Promise<Alert[]>;
/** A version against another on its own test rows, scored now. */
export const getComparison = (model: string, version: number, other: number) =>
  get(`models/${encodeURIComponent(model)}/versions/${version}/compare/${encodeURIComponent(`${model}@${other}`)}`, 120_000) as Promise<Comparison>;
export const getAudit = () => get("audit", 120_000) as Promise<Audit>;
export const reportAddress = (model: string, version: number) =>
  `api/v1/models/${encodeURIComponent(model)}/versions/${version}/report`;
