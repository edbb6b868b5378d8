import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { messageOf } from "../../../../shared/base/errors.ts";
import { until } from "../../../support/processes/skerry-process.ts";

/** A file that every server of the benchmark runs, and what Triton wants to be told of it. */
export interface PeerModel {
  readonly name: string;
  readonly file: string;
  readonly input: TensorShape;
  readonly outputs: readonly TensorShape[];
}

/** An FP32 tensor: the shape of one row. */
export interface TensorShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Another inference server that listens on this machine. */
export interface PeerServer {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** No server outlives this, also where the benchmark was killed, in seconds. */
const MAX_LIFE_S = 1_800;

/**
 * Starts a server and waits until `isReady` answers. It ends with `stop()`, and after half an hour in any case.
 * Rejects with what the server wrote when it ends before.
 */
export async function startServer(
  command: readonly string[],
  options: { readonly port: number; readonly env: NodeJS.ProcessEnv; readonly log: string; readonly readyPath: string },
): Promise<PeerServer> {
  const { port, env, log, readyPath } = options;
  const child = spawn("timeout", ["--kill-after=10", String(MAX_LIFE_S), ...command], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const file = createWriteStream(log);
  child.stdout.pipe(file, { end: false });
  child.stderr.pipe(file, { end: false });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const isAnswering = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    const answer = await fetch(`http://127.0.0.1:${port}${readyPath}`).catch(() => undefined);
    await answer?.arrayBuffer();
    return answer?.ok === true;
  };
  try {
    await until(`${command[0]} answers at ${readyPath}`, isAnswering, 60_000);
  } catch (error) {
    await stop(child, ended);
    throw new Error(`${messageOf(error)}\n${await readFile(log, "utf8")}`, { cause: error });
  }
  return { port, pid: child.pid ?? 0, stop: () => stop(child, ended) };
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  await ended;
  clearTimeout(timer);
}
