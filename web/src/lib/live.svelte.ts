import { getAlerts, getModel, getProject, getStatus, getWatch, Problem } from "./api.ts";
import { parseRoute, type Route } from "./route.ts";
import type { Alert, ExternalModel, Model, Project, Status, Watch } from "./types.ts";

const REFRESH_MS = 15_000;
const TICK_MS = 1_000;

export type Phase = "loading" | "empty" | "error" | "ready" | "stale";

/** What one address shows, with the document behind it. */
export type View =
  | { kind: "models"; status: Status }
  | { kind: "version"; model: Model; alerts: Alert[] }
  | { kind: "external"; model: ExternalModel }
  | { kind: "watch"; watch: Watch; resolved: Alert[] };

interface Known {
  view: View;
  text: string;
  at: number;
}

/** What the page shows, kept fresh while somebody can see it; good data stays when a refresh fails. */
export class Live {
  project = $state.raw<Project | null>(null);
  problem = $state.raw<Problem | null>(null);
  route = $state.raw<Route>(parseRoute(""));
  now = $state(Date.now());
  refreshing = $state(false);
  #known = $state.raw<ReadonlyMap<string, Known>>(new Map());
  #asked = 0;
  #started = 0;

  /** The model of the address; a project's only model needs none. */
  name = $derived(this.route.model ?? (this.project?.models.length === 1 ? (this.project.models[0] ?? null) : null));
  #key = $derived(this.name === null ? "models" : `${this.route.page} ${this.name}`);
  view = $derived(this.#known.get(this.#key)?.view ?? null);
  answeredAt = $derived(this.#known.get(this.#key)?.at ?? null);
  phase: Phase = $derived.by(() => {
    if (this.view) return this.problem ? "stale" : "ready";
    if (this.problem) return "error";
    return this.project?.models.length === 0 && !this.route.model ? "empty" : "loading";
  });

  /** Follow the address, the clock and the visibility of the page; returns how to stop. */
  start(): () => void {
    const follow = () => {
      const before = this.#key;
      this.route = parseRoute(location.hash);
      if (this.#key !== before || this.#asked === 0) void this.refresh();
    };
    const look = () => {
      this.now = Date.now();
      if (document.visibilityState === "visible" && this.now - this.#started >= REFRESH_MS) void this.refresh();
    };
    follow();
    addEventListener("hashchange", follow);
    document.addEventListener("visibilitychange", look);
    const timer = setInterval(look, TICK_MS);
    return () => {
      removeEventListener("hashchange", follow);
      document.removeEventListener("visibilitychange", look);
      clearInterval(timer);
    };
  }

  refresh = async (): Promise<void> => {
    const ask = ++this.#asked;
    this.#started = Date.now();
    this.refreshing = true;
    try {
      const project = await getProject();
      if (ask === this.#asked) this.project = project;
      const name = this.route.model ?? (project.models.length === 1 ? (project.models[0] ?? null) : null);
      const view = name === null && project.models.length === 0 ? null : await look(name, this.route.page);
      if (ask !== this.#asked) return; // a later question is under way
      this.problem = null;
      if (view) this.#remember(this.#key, view);
      else this.#known = new Map();
    } catch (error) {
      if (ask === this.#asked) this.problem = error instanceof Problem ? error : new Problem(String(error));
    } finally {
      if (ask === this.#asked) this.refreshing = false;
      this.now = Date.now();
    }
  };

  /** An unchanged answer keeps its object, so that nothing on the page is drawn anew. */
  #remember(key: string, view: View): void {
    const text = JSON.stringify(view);
    const before = this.#known.get(key);
    const kept = before?.text === text ? before.view : view;
    this.#known = new Map(this.#known).set(key, { view: kept, text, at: Date.now() });
  }
}

async function look(name: string | null, page: Route["page"]): Promise<View> {
  if (name === null) return { kind: "models", status: await getStatus() };
  if (page === "watch") {
    const [watch, alerts] = await Promise.all([getWatch(name), getAlerts(name, true)]);
    return { kind: "watch", watch, resolved: alerts.filter((alert) => alert.state === "resolved") };
  }
  const [model, alerts] = await Promise.all([getModel(name), getAlerts(name)]);
  return isExternal(model) ? { kind: "external", model } : { kind: "version", model, alerts };
}

function isExternal(model: Model | ExternalModel): model is ExternalModel {
  return model.task === "external";
}
