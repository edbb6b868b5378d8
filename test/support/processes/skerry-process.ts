import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { CONTROL_PLANE, EDGE_NODE } from "../../../cli/processes/programs.ts";
import { COMPILE_CACHE } from "./compile-cache.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");

/** What Node is started with for each program, as the CLI does it. */
const PROGRAMS = {
  "control-plane/main.ts": [...CONTROL_PLANE.nodeFlags, CONTROL_PLANE.script],
  "edge-node/main.ts": [...EDGE_NODE.nodeFlags, EDGE_NODE.script],
  "test/support/fakes/pieces-node.ts": [...EDGE_NODE.nodeFlags, path.join(ROOT, "test/support/fakes/pieces-node.ts")],
  "cli/main.ts": [path.join(ROOT, "cli/main.ts")],
};

/** A real process of ours, with its log in a file. Kill it as you like: it is only told to exit with its parent. */
export class SkerryProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<number | NodeJS.Signals>;
  #output = "";

  constructor(
    program: keyof typeof PROGRAMS,
    options: {
      args?: readonly string[];
      env: NodeJS.ProcessEnv;
      log: string;
      /** The folder of another build of Skerry to run, with what `npm ci` installs. */
      checkout?: string | undefined;
      /** What the program is started by, e.g. as another user. */
      under?: readonly string[] | undefined;
    },
  ) {
    const { checkout = ROOT, under = [] } = options;
    const script = PROGRAMS[program].map((word) => word.replace(ROOT, checkout));
    const [command = "", ...args] = [...under, process.execPath, ...script, ...(options.args ?? [])];
    const child = spawn(command, args, {
      cwd: checkout,
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        // All programs of all tests compile the same: from the cache a node starts with half of the CPU time.
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        SKERRY_EXIT_WITH_PARENT: "1",
        ...options.env,
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.child = child;
    const log = createWriteStream(options.log, { flags: "a" });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (bytes: Buffer) => {
        this.#output = (this.#output + bytes.toString("utf8")).slice(-200_000);
        log.write(bytes);
      });
    }
    this.exited = new Promise((resolve) =>
      child.once("close", (code, signal) => {
        log.end();
        resolve(code ?? signal ?? 0);
      }),
    );
  }

  /** The newest 200 kB that it printed. */
  get output(): string {
    return this.#output;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends at once, as a power cut would. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }

  /** Asks to stop; kills when that takes longer than 30 s. */
  async stop(): Promise<void> {
    this.child.kill("SIGTERM");
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 30_000);
    await this.exited;
    clearTimeout(timer);
  }
}

/**
 * Below the ports that Linux gives to programs that ask for any port (32768 and above). A program takes seconds on a busy machine
 * to listen on the port that a test chose for it; meanwhile Linux gives that port to nobody else.
 */
const PORTS = { first: 15_000, count: 15_000 };
const given = new Set<number>();

/** A loopback port that is free, another one at each call. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no port from ${PORTS.first} to ${PORTS.first + PORTS.count - 1} is free`);
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Waits until `probe` gives something else than undefined or false. Looks every 20 ms; throws with `what` after `timeoutMs`. */
export async function until<Value>(
  what: string,
  probe: () => Promise<Value | undefined | false> | Value | undefined | false,
  timeoutMs = 25_000,
): Promise<Value> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const ensureDirectory = async (directory: string): Promise<string> => {
  await mkdir(directory, { recursive: true });
  return directory;
};
