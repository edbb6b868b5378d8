import path from "node:path";
import { composeNode } from "../../../edge-node/compose.ts";
import { readConfig } from "../../../edge-node/config.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { systemRandom } from "../../../shared/base/random.ts";
import { silentLogger } from "../silent-logger.ts";

/** A node of real parts whose model hosts are `pieces-host.ts`: its models answer piece by piece, as each request asks. */
const node = await composeNode(readConfig(process.env, []), {
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  signal: new AbortController().signal,
  rejoin: () => undefined,
  hostEntry: path.join(import.meta.dirname, "pieces-host.ts"),
});
const stop = async (): Promise<void> => {
  await node.stop(1_000);
  process.exit(0);
};
process.on("SIGTERM", () => void stop());
process.stdin.on("end", () => void stop()).resume();
await node.start();
