import { CommanderError } from "commander";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { Interrupts } from "./interrupts.ts";
import { buildProgram } from "./program.ts";
import type { ProcessEnv } from "./run.ts";
import { CommandRunner } from "./shell.ts";

/** Runs one command line in this process and returns its exit code. */
export async function main(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<ExitCode> {
  const interrupts = new Interrupts(process, () => process.exit(EXIT.interrupted));
  // `skerry … | head` closes the pipe early: that is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.ok);
    throw error;
  });
  const processEnv: ProcessEnv = {
    streams: { out: process.stdout, err: process.stderr },
    env,
    cwd: process.cwd(),
    stdin: process.stdin,
    interrupts,
  };
  try {
    const exitCode = await runCommandLine(args, processEnv);
    // A look-up of a name that hangs would keep the process, and Tab with it, for seconds after the answer.
    if (args[0] === "complete") process.exit(exitCode);
    return exitCode;
  } finally {
    interrupts.stop();
  }
}

/** Understands `args`, runs what they ask for and puts every failure into words on stderr. */
export async function runCommandLine(args: readonly string[], processEnv: ProcessEnv): Promise<ExitCode> {
  const { err } = processEnv.streams;
  const shell = new CommandRunner(processEnv);
  const program = await buildProgram(shell, args);
  if (args.length === 0) {
    program.outputHelp();
    return EXIT.ok;
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return shell.exitCode;
  } catch (error) {
    // Commander has said it already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { renderFailure } = await import("./render-failure.ts");
    const { choosePaint } = await import("./output/paint.ts");
    const { env } = processEnv;
    const paint = choosePaint({ terminal: err.isTTY === true, wanted: !args.includes("--no-color"), env });
    if (processEnv.interrupts.signal.aborted && Error.isError(error) && error.name === "AbortError")
      return EXIT.interrupted;
    const { lines, exitCode } = renderFailure(error, paint, { debug: (env["SKERRY_DEBUG"] ?? "") !== "" });
    for (const line of lines) err.write(`${line}\n`);
    return exitCode;
  }
}
