import { isOutOfMemory } from "../../model-host/out-of-memory.ts";
import type { HostExit } from "../../ports/model-hosts.ts";

/** What is known when a host has ended. */
export interface Ending {
  /** Set when we ended it, or when it told us why it would end. */
  readonly known: HostExit | undefined;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
  readonly memMiB: number;
}

/** Why a host ended, for a person, and the code under which that is counted. */
export function exitReason({ known, exitCode, signal, stderr, memMiB }: Ending): HostExit {
  if (known !== undefined) return known;
  const said = lastWords(stderr);
  if (isOutOfMemory(stderr)) {
    const reason = withWords(`memory limit of ${memMiB} MiB`, said);
    return { code: "OUT_OF_MEMORY", reason, blames: "OUT_OF_MEMORY" };
  }
  if (signal === "SIGKILL")
    return { code: "HOST_CRASHED", reason: "signal SIGKILL, not from the agent: the machine may be out of memory" };
  if (signal !== null) return { code: "HOST_CRASHED", reason: withWords(`signal ${signal}`, said) };
  if (exitCode === 0) return { code: "HOST_CRASHED", reason: "ended by itself" };
  return { code: "HOST_CRASHED", reason: withWords(`exit code ${exitCode}`, said) };
}

const withWords = (reason: string, said: string): string => (said === "" ? reason : `${reason}: ${said}`);

/** The line of stderr that tells most: the one that names an error, else the last one. */
function lastWords(stderr: string): string {
  const lines = stderr
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(at |\d+: 0x|----|Node\.js v)/.test(line));
  const telling = lines.findLast((line) => /error|exception|what\(\)|fatal|cannot|failed/i.test(line));
  return (telling ?? lines.at(-1) ?? "").slice(0, 300);
}
