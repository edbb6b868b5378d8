import { type Clock, sleep } from "../../shared/base/clock.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { anyFreePort, isPortFree } from "../processes/ports.ts";
import type { DevSettings } from "./settings.ts";

/** What a killed earlier start leaves behind needs this long to notice and to end. */
const LEFTOVER_MS = 12_000;

/**
 * Looks at every port before anything starts, and turns 0 into a port that is free now. All taken ports are named at
 * once, each with what moves it.
 */
export async function claimPorts(
  settings: DevSettings,
  wait: { readonly forLeftovers: boolean; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<DevSettings> {
  const end = wait.clock.now() + (wait.forLeftovers ? LEFTOVER_MS : 0);
  let complaints = await takenPorts(settings);
  while (complaints.length > 0 && wait.clock.now() < end) {
    await sleep(wait.clock, 250, wait.signal);
    complaints = await takenPorts(settings);
  }
  if (complaints.length > 0) {
    throw new CliFailure(EXIT.error, {
      what:
        complaints.length === 1
          ? "a port is taken by another program"
          : `${complaints.length} ports are taken by other programs`,
      why: complaints,
      fix: "end those programs, or move Skerry: `npm start -- --port 8070 --node-ports 8081,8082,8083`",
    });
  }
  const nodes = [];
  for (const node of settings.nodes) nodes.push({ ...node, port: node.port === 0 ? await anyFreePort() : node.port });
  return { ...settings, port: settings.port === 0 ? await anyFreePort() : settings.port, nodes };
}

async function takenPorts({ port, nodes }: DevSettings): Promise<readonly string[]> {
  const wanted = [
    { port, of: "the control plane", moves: "--port or SKERRY_PORT" },
    ...nodes.map((node) => ({ port: node.port, of: node.name, moves: "--node-ports or SKERRY_NODE_PORTS" })),
  ];
  const complaints: string[] = [];
  for (const one of wanted) {
    if (one.port !== 0 && !(await isPortFree(one.port)))
      complaints.push(`127.0.0.1:${one.port}, wanted for ${one.of}; ${one.moves} moves it`);
  }
  return complaints;
}
