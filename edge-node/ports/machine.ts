import type { Capabilities } from "../../shared/protocol/messages/capabilities.ts";

export interface SystemProbe {
  capabilities(): Promise<Capabilities>;
  /** CPU use of the machine since the last call, in percent of all cores. */
  cpuPct(): number;
  memFreeMiB(): number;
}
