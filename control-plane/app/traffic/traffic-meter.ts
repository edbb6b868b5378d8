import { TRAFFIC_SECONDS, type Traffic } from "../../../shared/api/v1/traffic.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { AnswerWindow } from "../../core/traffic/answer-window.ts";
import type { MeasuredInference, MeasuredText } from "../../ports/metrics.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";

interface Parts {
  readonly fleet: Pick<FleetReader, "snapshot">;
  readonly clock: Clock;
}

interface Subject {
  readonly deployment: string | null;
  readonly model: string;
  readonly node: string | null;
}

interface Pair extends Subject {
  readonly window: AnswerWindow;
}

/** Deployments on nodes that are counted apart: 8 MiB. Beyond it the idle ones go, and then new ones are not counted. */
export const MAX_PAIRS = 2_000;
const SHOWN_PAIRS = 500;

/** What this replica of the control plane answered in the last minute, by deployment and node. */
export class TrafficMeter {
  readonly #parts: Parts;
  readonly #pairs = new Map<string, Pair>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** A request ended. One whose model does not exist is not counted: callers must not make up entries. */
  answered({ model, node, placement, code, seconds }: MeasuredInference): void {
    if (model === undefined) return;
    const isOk = code === "OK";
    this.#window({ model, node, placement })?.ended(this.#now(), {
      ms: isOk ? seconds * 1_000 : undefined,
      isError: !isOk && code !== "CANCELLED",
    });
  }

  /** A model of text wrote an answer, or a part of one. */
  wrote({ model, node, placement, usage }: MeasuredText): void {
    this.#window({ model, node, placement })?.wrote(this.#now(), usage.outputTokens);
  }

  report(): Omit<Traffic, "loads"> {
    const now = this.#now();
    const pairs = [...this.#pairs.values()].filter(({ window }) => !window.isIdle(now));
    const figures = (of: readonly Pair[]): ReturnType<typeof AnswerWindow.figures> =>
      AnswerWindow.figures(
        of.map(({ window }) => window),
        now,
      );
    const rows = pairs.map((pair) => {
      const { window: _window, ...subject } = pair;
      return { ...subject, ...figures([pair]) };
    });
    return {
      seconds: TRAFFIC_SECONDS,
      total: figures(pairs),
      deployments: [...Map.groupBy(pairs, ({ deployment, model }) => keyOf(deployment, model))]
        .toSorted(byName)
        .flatMap(([, of]) => of.slice(0, 1).map(({ deployment, model }) => ({ deployment, model, ...figures(of) }))),
      nodes: [...Map.groupBy(pairs, ({ node }) => keyOf(node))]
        .toSorted(byName)
        .flatMap(([, of]) => of.slice(0, 1).map(({ node }) => ({ node, ...figures(of) }))),
      pairs: rows.toSorted((a, b) => b.ratePerS - a.ratePerS).slice(0, SHOWN_PAIRS),
    };
  }

  #now(): number {
    return this.#parts.clock.now();
  }

  #window(of: {
    readonly model: string;
    readonly node: string | undefined;
    readonly placement: string | undefined;
  }): AnswerWindow | undefined {
    const { model, node = null } = of;
    const { placements, deployments } = this.#parts.fleet.snapshot();
    const known = of.placement === undefined ? undefined : placements.get(of.placement)?.deployment;
    const deployment = known ?? (deployments.get(model)?.spec.model === model ? model : null);
    const key = keyOf(deployment, model, node);
    const pair = this.#pairs.get(key);
    if (pair !== undefined) return pair.window;
    if (this.#pairs.size >= MAX_PAIRS && !this.#dropIdle()) return undefined;
    const window = new AnswerWindow(this.#now());
    this.#pairs.set(key, { deployment, model, node, window });
    return window;
  }

  /** True when there is room again. */
  #dropIdle(): boolean {
    const now = this.#now();
    for (const [key, { window }] of this.#pairs) if (window.isIdle(now)) this.#pairs.delete(key);
    return this.#pairs.size < MAX_PAIRS;
  }
}

/** No name has a space. */
const keyOf = (...names: readonly (string | null)[]): string => names.map((name) => name ?? "").join(" ");
const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);
