import type { Clock } from "../../../shared/base/clock.ts";
import type { EventRecorder } from "../events/event-recorder.ts";
import { OnceInAWhile } from "./once-in-a-while.ts";

/** One event an hour for each id, and at most so many ids in an hour: anybody may claim to be a node. */
const QUIET_MS = 3_600_000;
const MAX_IDS = 20;

/** Tells of nodes that connect and are not recorded, as after a restored backup: they serve what they have, and nobody sees it. */
export class UnknownNodes {
  readonly #clock: Clock;
  readonly #recorder: Pick<EventRecorder, "record">;
  readonly #told = new OnceInAWhile(QUIET_MS, MAX_IDS);

  constructor(parts: { readonly clock: Clock; readonly recorder: Pick<EventRecorder, "record"> }) {
    this.#clock = parts.clock;
    this.#recorder = parts.recorder;
  }

  /** A node that calls itself `nodeId` was refused because there is none. */
  refused(nodeId: string): void {
    if (!this.#told.isDue(nodeId, this.#clock.now())) return;
    const id = nodeId.slice(0, 64);
    this.#recorder.record({
      type: "Warning",
      reason: "UnknownNode",
      object: `node/${id}`,
      message: `a node with the id ${id} connects and is not recorded, so it was refused: it may have joined after the backup that was restored, and still serves what it has; join it again with a new token in an empty folder, or stop it`,
    });
  }
}
