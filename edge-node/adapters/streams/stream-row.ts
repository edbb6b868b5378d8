import type { DesiredStream } from "../../../shared/protocol/streams.ts";
import type { Ledger } from "../../core/streams/ledger.ts";

/** What the disk holds of a stream; `fault`: why that cannot be read. */
export type StreamRow =
  | { readonly name: string; readonly spec: DesiredStream; readonly ledger: Ledger }
  | { readonly name: string; readonly fault: string };
