import type { Deployment } from "../../shared/api/v1/deployments/deployments.ts";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import { traffic, type Traffic } from "../../shared/api/v1/traffic.ts";
import { sleep, systemClock } from "../../shared/base/clock.ts";
import { systemRandom } from "../../shared/base/random.ts";
import { watchedDeployments } from "../actions/deployments/deployments.ts";
import { watchedNodes } from "../actions/nodes/nodes.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { mayPass } from "../api/problem.ts";
import { type ItemChange, watchList } from "../api/watch-list.ts";
import { linkAwayLine } from "../output/link-away-line.ts";
import { LiveTable } from "../output/live-table.ts";
import type { CommandContext } from "../run.ts";
import { type TopLook, topTables, totalLine } from "./tables.ts";

/** The server counts in slots of 10 s, so asking more often shows little more. */
const ASK_MS = 5_000;
/** An answer that takes longer is none: the table says so. */
const PATIENCE_MS = 10_000;
/** Ages go on while nothing changes. */
const TICK_MS = 1_000;

type Source = "deployments" | "nodes" | "figures";

interface Parts {
  readonly run: CommandContext;
  readonly api: ApiClient;
  /** Left out: both. */
  readonly what: "nodes" | "deployments" | undefined;
  readonly look: TopLook;
}

/**
 * `skerry top` on a terminal. What changes of nodes and deployments comes by their watches; only the figures that no watch
 * carries are asked for, every 5 s. While the control plane does not answer, the last table stays, with its age, and all
 * three are tried again.
 */
export class LiveTop {
  readonly #parts: Parts;
  readonly #table: LiveTable;
  readonly #deployments = new Map<string, Deployment>();
  readonly #nodes = new Map<string, Node>();
  /** The lists that have arrived. */
  readonly #arrived = new Set<Source>();
  #figures: { readonly of: Traffic; readonly at: number } | undefined;
  /** What does not come now, and since when. */
  readonly #missing = new Map<Source, number>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#table = new LiveTable(parts.run.output);
  }

  /** Until Ctrl-C. Throws when there is no first answer, and when the server refuses a later question. */
  async follow(): Promise<never> {
    const { run, what } = this.#parts;
    const ending = new AbortController();
    const own = { output: run.output, signal: AbortSignal.any([run.signal, ending.signal]) };
    const all = [
      this.#ask(own.signal),
      this.#tick(own.signal),
      ...(what === "nodes" ? [] : [this.#followDeployments(own)]),
      ...(what === "deployments" ? [] : [this.#followNodes(own)]),
    ];
    try {
      return await Promise.race(all);
    } finally {
      ending.abort();
      await Promise.allSettled(all);
    }
  }

  async #followDeployments(run: Pick<CommandContext, "signal" | "output">): Promise<never> {
    const onLink = (isOpen: boolean): void => this.#linked("deployments", isOpen);
    for await (const changes of watchList(run, this.#parts.api, { ...watchedDeployments, onLink }))
      this.#apply("deployments", this.#deployments, changes);
    throw new Error("a watch ended");
  }

  async #followNodes(run: Pick<CommandContext, "signal" | "output">): Promise<never> {
    const onLink = (isOpen: boolean): void => this.#linked("nodes", isOpen);
    for await (const changes of watchList(run, this.#parts.api, { ...watchedNodes, onLink }))
      this.#apply("nodes", this.#nodes, changes);
    throw new Error("a watch ended");
  }

  #apply<Item extends { readonly name: string }>(
    source: Source,
    list: Map<string, Item>,
    changes: readonly ItemChange<Item>[],
  ): void {
    for (const { event, item } of changes) {
      if (event === "deleted") list.delete(item.name);
      else list.set(item.name, item);
    }
    this.#arrived.add(source);
    this.#draw();
  }

  async #ask(signal: AbortSignal): Promise<never> {
    for (;;) {
      const answer = await this.#answer(signal);
      if (answer !== undefined) {
        this.#figures = { of: decode(traffic, answer, "figures of traffic"), at: systemClock.now() };
        this.#linked("figures", true);
      }
      // A tenth earlier or later, so that many terminals do not ask in step.
      await sleep(systemClock, ASK_MS * (0.9 + 0.2 * systemRandom.next()), signal);
    }
  }

  /** Undefined: there is none now. */
  async #answer(signal: AbortSignal): Promise<unknown> {
    const { api } = this.#parts;
    try {
      const call = { query: { loads: "true" }, timeoutMs: PATIENCE_MS };
      return (await api.call("GET", "/api/v1/traffic", call)).body;
    } catch (error) {
      signal.throwIfAborted();
      if (this.#figures === undefined || !mayPass(error)) throw error;
      this.#linked("figures", false);
      return undefined;
    }
  }

  async #tick(signal: AbortSignal): Promise<never> {
    for (;;) {
      await sleep(systemClock, TICK_MS, signal);
      this.#draw();
    }
  }

  #linked(source: Source, isOpen: boolean): void {
    const lastAt = source === "figures" ? this.#figures?.at : undefined;
    if (isOpen) this.#missing.delete(source);
    else if (!this.#missing.has(source)) this.#missing.set(source, lastAt ?? systemClock.now());
    this.#draw();
  }

  #draw(): void {
    const { run, what, look } = this.#parts;
    const figures = this.#figures;
    const shown = { deployments: what !== "nodes", nodes: what !== "deployments" };
    const isWhole = (source: "deployments" | "nodes"): boolean => !shown[source] || this.#arrived.has(source);
    if (figures === undefined || !isWhole("deployments") || !isWhole("nodes")) return;
    const tables = topTables(
      {
        deployments: shown.deployments ? [...this.#deployments.values()] : undefined,
        nodes: shown.nodes ? [...this.#nodes.values()] : undefined,
        measured: figures.of,
        sinceMs: systemClock.now() - figures.at,
      },
      look,
    );
    run.signal.throwIfAborted();
    this.#table.draw([`${totalLine(figures.of)}\n${this.#statusLine()}`, ...tables].join("\n\n"));
  }

  /** On top, where a small terminal cuts nothing off. */
  #statusLine(): string {
    const { paint } = this.#parts.run.output;
    if (this.#missing.size === 0) return paint.faint(`live; load and traffic every ${ASK_MS / 1_000} s; Ctrl-C ends`);
    const since = Math.min(...this.#missing.values());
    const { server } = this.#parts.api.target;
    return linkAwayLine(server, systemClock.now() - since, paint);
  }
}
