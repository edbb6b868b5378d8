import { MAX_STREAMS_REPORTED } from "../../../shared/protocol/streams.ts";
import type { StreamReport } from "../../../shared/protocol/messages/load-report.ts";
import { droppedOf, type Ledger, waitingOf } from "./ledger.ts";

const MAX_REASON = 200;

interface Shown {
  readonly deployment: string;
  readonly name: string;
  readonly state: StreamReport["state"];
  readonly reasons: readonly string[];
  readonly ledger: Ledger;
}

/** What the control plane hears of the streams of a node. */
export const streamReports = (streams: readonly Shown[]): readonly StreamReport[] =>
  streams.slice(0, MAX_STREAMS_REPORTED).map(({ deployment, name, state, reasons: [reason], ledger }) => {
    const { produced, delivered, deduplicated, expired, waitingBytes } = ledger;
    return {
      deployment,
      name,
      state,
      ...(reason !== undefined && { reason: reason.slice(0, MAX_REASON) }),
      produced,
      delivered,
      deduplicated,
      expired,
      dropped: droppedOf(ledger),
      waiting: waitingOf(ledger),
      waitingBytes,
    };
  });
