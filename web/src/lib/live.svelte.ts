import { getModel, getProject, Problem } from "./api.ts";
import { parseRoute, type Route } from "./route.ts";
import type { Model, Project } from "./types.ts";

const REFRESH_MS = 15_000;
const TICK_MS = 1_000;

export type Phase = "loading" | "empty" | "error" | "ready" | "stale";

/** What the page shows, kept fresh while somebody can see it; good data stays when a refresh fails. */
export class Live {
  project = $state.raw<Project | null>(null);
  problem = $state.raw<Problem | null>(null);
  route = $state.raw<Route>({ model: null, version: null, section: null });
  now = $state(Date.now());
  refreshing = $state(false);
  #known = $state.raw<ReadonlyMap<string, { model: Model; text: string; at: number }>>(new Map());
  #asked = 0;
  #started = 0;

  name = $derived(this.route.model ?? this.project?.models[0] ?? null);
  model = $derived(this.name === null ? null : (this.#known.get(this.name)?.model ?? null));
  answeredAt = $derived(this.name === null ? null : (this.#known.get(this.name)?.at ?? null));
  phase: Phase = $derived.by(() => {
    if (this.model) return this.problem ? "stale" : "ready";
    if (this.problem) return "error";
    return this.project?.models.length === 0 && !this.route.model ? "empty" : "loading";
  });

  /** Follow the address, the clock and the visibility of the page; returns how to stop. */
  start(): () => void {
    const follow = () => {
      const before = this.name;
      this.route = parseRoute(location.hash);
      if (this.name !== before || this.#asked === 0) void this.refresh();
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
      const name = this.route.model ?? project.models[0] ?? null;
      const model = name === null ? null : await getModel(name);
      if (ask !== this.#asked) return; // a later question is under way
      this.problem = null;
      if (name !== null && model) this.#remember(name, model);
      else this.#known = new Map();
    } catch (error) {
      if (ask === this.#asked) this.problem = error instanceof Problem ? error : new Problem(String(error));
    } finally {
      if (ask === this.#asked) this.refreshing = false;
      this.now = Date.now();
    }
  };

  /** An unchanged answer keeps its object, so that nothing on the page is drawn anew. */
  #remember(name: string, model: Model): void {
    const text = JSON.stringify(model);
    const before = this.#known.get(name);
    const kept = before?.text === text ? before.model : model;
    this.#known = new Map(this.#known).set(name, { model: kept, text, at: Date.now() });
  }
}
