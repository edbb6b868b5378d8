import { randomUUID } from "node:crypto";
import { openSync, rmSync } from "node:fs";
import path from "node:path";

/**
 * A descriptor of a file that an agent and one of its hosts have open, for what neither may wait for: which model runs
 * (`RunningSlot`), and which requests were taken back (`CancelledRequests`). Without a name: it goes with the last of the two.
 * Who opens it closes it.
 */
export function openStatusFile(workDirectory: string): number {
  const name = path.join(workDirectory, `status-${randomUUID()}`);
  const descriptor = openSync(name, "w+", 0o600);
  rmSync(name);
  return descriptor;
}
