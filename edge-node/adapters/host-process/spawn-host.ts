import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import type { Launch } from "./launch.ts";

/** The end of stderr that is kept: enough for a stack trace. */
const STDERR_BYTES = 16_384;

export interface SpawnedHost {
  readonly child: ChildProcess;
  readonly link: Socket;
  readonly lifeline: Socket;
  /** The end of what it has written to stderr. */
  readonly stderr: () => string;
}

/** Starts the process of a model host. `files`: descriptors that it has open, from `STATUS_FD`. */
export function spawnHost(launch: Launch, cwd: string, files: readonly number[] = []): SpawnedHost {
  const child = spawn(launch.command, launch.args, {
    cwd,
    env: { ...launch.env },
    // A session of its own: Ctrl-C in a terminal goes to the agent alone, which lets requests end first.
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe", ...files],
  });
  const [, , stderr, link, lifeline] = child.stdio as (Socket | null)[];
  let said = "";
  present(stderr).on("data", (bytes: Buffer) => {
    said = (said + bytes.toString("utf8")).slice(-STDERR_BYTES);
  });
  present(lifeline).on("error", () => undefined);
  // A line, not only the end of the stream: the pid may belong to somebody else by now, and must not be killed.
  child.once("exit", () => present(lifeline).end("gone\n", () => present(lifeline).destroy()));
  return { child, link: present(link), lifeline: present(lifeline), stderr: () => said };
}

function present(socket: Socket | null | undefined): Socket {
  if (!socket) throw new Error("a pipe to the model host is missing");
  return socket;
}
