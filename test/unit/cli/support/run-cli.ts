import { EventEmitter } from "node:events";
import { Readable } from "node:stream";
import { runCommandLine } from "../../../../cli/entry.ts";
import type { ExitCode } from "../../../../cli/exit-codes.ts";
import { Interrupts } from "../../../../cli/interrupts.ts";

export interface CliResult {
  readonly exitCode: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly stdin?: string;
  /** Emit SIGINT on it to press Ctrl-C. */
  readonly signals?: EventEmitter;
  /** Stdout is a terminal of this size. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
  /** Called with everything printed so far, after each write to stdout. */
  readonly onOutput?: (stdout: string) => void;
  /** The same of stderr. */
  readonly onMessage?: (stderr: string) => void;
}

/** Runs one command line in this process, with nothing of the machine's own configuration. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const printed = { out: "", err: "" };
  const interrupts = new Interrupts(options.signals ?? new EventEmitter(), () => {});
  const exitCode = await runCommandLine(args, {
    streams: {
      out: {
        ...(options.terminal && { isTTY: true, ...options.terminal }),
        write(text) {
          printed.out += text;
          options.onOutput?.(printed.out);
        },
      },
      err: {
        write(text) {
          printed.err += text;
          options.onMessage?.(printed.err);
        },
      },
    },
    env: { SKERRY_CONFIG: "/nonexistent/skerry/config.json", ...options.env },
    cwd: options.cwd ?? "/",
    stdin: fakeStdin(options.stdin ?? ""),
    interrupts,
  });
  return { exitCode, stdout: printed.out, stderr: printed.err };
}

function fakeStdin(text: string): NodeJS.ReadStream {
  return Object.assign(Readable.from([Buffer.from(text)]), { isTTY: false }) as unknown as NodeJS.ReadStream;
}
