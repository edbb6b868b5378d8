import type { DesiredPlacement, PlacementReport } from "../../../shared/protocol/messages.ts";
import type { PlacementFailure } from "../../../shared/protocol/placement.ts";
import type { HeldPlacement } from "../../core/local-plan.ts";
import { PlacementMachine } from "../../core/placement-machine.ts";
import { LATE_RETRY_MS, mayHeal, type CrashHistory } from "../../core/restart-policy.ts";
import type { ModelHost } from "../../ports/model-hosts.ts";

const HELLO_DETAIL = 200;

/** A placement of this node with everything that belongs to it in this process. */
export interface Held extends HeldPlacement {
  spec: DesiredPlacement;
  readonly machine: PlacementMachine;
  readonly state: PlacementMachine["state"];
  host: HeldPlacement["host"];
  notBefore: number;
  crashes: CrashHistory;
  /** Its files were hashed a moment ago, when they arrived: the next start need not do it again. */
  isFresh: boolean;
  /** The running process. */
  process: ModelHost | undefined;
  /** Calls off a start that is under way. */
  abort: AbortController | undefined;
}

/** The placements that this process holds. Every change of a state goes through here, so that it is told. */
export class Placements {
  readonly #held = new Map<string, Held>();
  readonly #tell: (report: PlacementReport) => void;
  readonly #listeners: (() => void)[] = [];

  constructor(tell: (report: PlacementReport) => void) {
    this.#tell = tell;
  }

  all(): ReadonlyMap<string, Held> {
    return this.#held;
  }

  ready(): ReadonlySet<string> {
    return new Set([...this.#held].filter(([, { state }]) => state === "ready").map(([id]) => id));
  }

  /**
   * Whether requests may come now or in a moment. Their channel is opened while the first placement loads: were it dialled
   * when that one is ready, the control plane would call it ready some milliseconds before it can reach it.
   */
  get expectRequests(): boolean {
    return [...this.#held.values()].some(
      ({ state }) => state === "loading" || state === "warming" || state === "ready",
    );
  }

  /** For `hello`, which must fit one message of 64 KiB with 64 placements: details are cut short. */
  reports(): PlacementReport[] {
    return [...this.#held.values()].map(({ machine }) => {
      const report = machine.report();
      return report.detail === undefined ? report : { ...report, detail: report.detail.slice(0, HELLO_DETAIL) };
    });
  }

  /** Called after every change of a state. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  add(spec: DesiredPlacement): Held {
    const machine = new PlacementMachine(spec.placementId, spec.generation);
    const held: Held = {
      spec,
      machine,
      get state() {
        return machine.state;
      },
      host: "none",
      notBefore: 0,
      crashes: [],
      isFresh: false,
      process: undefined,
      abort: undefined,
    };
    this.#held.set(spec.placementId, held);
    return held;
  }

  /** Runs `change` on a placement's state machine and tells what came of it. */
  change({ machine }: Held, change: (machine: PlacementMachine) => void): void {
    change(machine);
    this.#tell(machine.report());
    if (machine.state === "gone") this.#held.delete(machine.placementId);
    for (const listener of this.#listeners) listener();
  }

  /** Ends an attempt. What may heal is tried again late; the rest waits for a new generation. */
  fail(held: Held, failure: { readonly code: PlacementFailure; readonly detail: string; readonly now: number }): void {
    held.notBefore = mayHeal(failure.code) ? failure.now + LATE_RETRY_MS : Infinity;
    this.change(held, (machine) => machine.becomeFailed(failure.code, failure.detail));
  }

  /** Those that wait for an artifact's bytes. */
  waitingFor(artifact: string): readonly Held[] {
    return [...this.#held.values()].filter(
      ({ spec, state, host }) =>
        spec.artifact === artifact &&
        host === "none" &&
        (state === "offered" || state === "downloading" || state === "verifying"),
    );
  }
}
