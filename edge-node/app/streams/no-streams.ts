import { SkerryError } from "../../../shared/base/errors.ts";
import { declaredStreams } from "../../core/streams/declared-streams.ts";
import { EMPTY_LEDGER } from "../../core/streams/ledger.ts";
import type { LocalNode } from "../../ports/serving.ts";
import type { LocalStreams, StreamStatus } from "../../ports/streams.ts";

const WHY = "this node has no streams file (SKERRY_STREAMS_FILE), so it reads nothing and sends nothing";

/** A node that offers no sources and sinks: it keeps no store, and says so of each stream that it should run. */
export class NoStreams implements LocalStreams {
  readonly #node: Pick<LocalNode, "placements">;

  constructor(node: Pick<LocalNode, "placements">) {
    this.#node = node;
  }

  statuses(): readonly StreamStatus[] {
    return [...declaredStreams(this.#node.placements()).values()].map(({ stream, spec: { source, sink } }) => ({
      ...stream,
      source,
      sink,
      state: "waiting",
      reasons: [WHY],
      ledger: EMPTY_LEDGER,
    }));
  }

  push(): Promise<never> {
    throw new SkerryError("NOT_FOUND", WHY);
  }
}
