import type { Fleet } from "../../core/fleet/types.ts";

/** The fleet as use-cases see it: what is, when it is, and a way to see one's own writes. */
export interface FleetReader {
  snapshot(): Fleet;
  /** The fleet's clock, in ms. */
  now(): number;
  /** Reads Postgres again; resolves when that has ended, well or badly. */
  refresh(): Promise<void>;
}
