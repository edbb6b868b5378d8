import { join, resolve } from "node:path";
import { DEV_DIRECTORY } from "../config/dev-directory.ts";
import { usageFailure } from "../failure.ts";

export interface DevOptions {
  readonly once?: boolean;
  readonly fresh?: boolean;
  readonly port?: number;
  readonly nodePorts?: string;
  readonly dir?: string;
}

/** A node that `skerry dev` runs. */
export interface DevNode {
  readonly name: string;
  readonly kind: "edge" | "cloud";
  readonly site: string;
  readonly port: number;
}

export interface DevSettings {
  readonly directory: string;
  /** 0: any free one. */
  readonly port: number;
  readonly nodes: readonly DevNode[];
  /** Undefined: PostgreSQL is ours to run. */
  readonly databaseUrl: string | undefined;
  readonly once: boolean;
  readonly fresh: boolean;
}

const FLEET = [
  { name: "edge-a", kind: "edge", site: "harbour", port: 7081 },
  { name: "edge-b", kind: "edge", site: "island", port: 7082 },
  { name: "cloud-a", kind: "cloud", site: "cloud", port: 7083 },
] as const satisfies readonly DevNode[];

/** What was asked for, on the command line or else in the environment. */
export function readSettings(options: DevOptions, env: NodeJS.ProcessEnv, cwd: string): DevSettings {
  const port = options.port ?? portFrom(env["SKERRY_PORT"], "SKERRY_PORT") ?? 7070;
  if (port > 65_535) throw usageFailure(`--port ${port}: ports end at 65535`);
  const ports =
    nodePorts(options.nodePorts, "--node-ports") ?? nodePorts(env["SKERRY_NODE_PORTS"], "SKERRY_NODE_PORTS");
  const nodes = FLEET.map((node, index) => ({ ...node, port: ports?.[index] ?? node.port }));
  const taken = [port, ...nodes.map((node) => node.port)].filter((one) => one !== 0);
  const twice = taken.find((one, index) => taken.indexOf(one) !== index);
  if (twice !== undefined)
    throw usageFailure(
      `port ${twice} is asked for twice`,
      "--port is the control plane's, --node-ports are those of edge-a, edge-b and cloud-a",
    );
  return {
    directory: resolve(cwd, options.dir ?? join(cwd, DEV_DIRECTORY)),
    port,
    nodes,
    databaseUrl: env["DATABASE_URL"] || undefined,
    once: options.once ?? false,
    fresh: options.fresh ?? false,
  };
}

function nodePorts(text: string | undefined, source: string): readonly number[] | undefined {
  if (text === undefined || text === "") return undefined;
  const ports = text.split(",").map((part) => portFrom(part.trim(), source) ?? 0);
  if (ports.length !== FLEET.length) {
    throw usageFailure(
      `${source}: ${ports.length} ports for ${FLEET.length} nodes`,
      "give three, for edge-a, edge-b and cloud-a: 8081,8082,8083",
    );
  }
  return ports;
}

function portFrom(text: string | undefined, source: string): number | undefined {
  if (text === undefined || text === "") return undefined;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw usageFailure(`${source}: "${text}" is not a port`, "give a number from 0 (any free one) to 65535");
  return port;
}
