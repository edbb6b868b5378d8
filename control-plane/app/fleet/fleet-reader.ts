import type { FleetKeys } from "../../core/fleet/changes/fleet-keys.ts";
import type { Fleet } from "../../core/fleet/types.ts";

/** The fleet as use-cases see it: what is, when it is, and a way to see one's own writes. */
export interface FleetReader {
  snapshot(): Fleet;
  /** The fleet's clock, in ms. */
  now(): number;
  /** Reads Postgres again, what `keys` name or everything; resolves when that has ended, well or badly. */
  refresh(keys?: FleetKeys): Promise<void>;
}
