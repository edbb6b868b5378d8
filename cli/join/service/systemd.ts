import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { messageOf } from "../../../shared/base/errors.ts";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import { readableLine } from "../../processes/log-file.ts";
import { UNIT } from "./unit.ts";

const run = promisify(execFile);
/** A stop waits for the node's drain, 45 s at most. */
const TIMEOUT_MS = 90_000;

/** Fails where a service cannot be installed: without systemd, or without the rights of root. */
export function requireSystemd(what: string): void {
  if (!existsSync("/run/systemd/system"))
    throw new CliFailure(EXIT.error, {
      what: `${what} needs systemd, which does not run on this machine`,
      fix: "run `skerry join` under the supervisor that it has; docs/nodes.md says what a node needs",
    });
  if (process.geteuid?.() !== 0)
    throw new CliFailure(EXIT.notAllowed, {
      what: `${what} changes /etc and starts a service, which only root may do`,
      fix: "run the same with sudo",
    });
}

/** `systemctl` with these arguments. Fails with what it said. */
export async function systemctl(...args: readonly string[]): Promise<string> {
  try {
    return (await run("systemctl", args, { timeout: TIMEOUT_MS })).stdout;
  } catch (error) {
    throw new CliFailure(EXIT.error, {
      what: `\`systemctl ${args.join(" ")}\` failed`,
      why: [messageOf(error)],
      fix: `look at \`systemctl status ${UNIT}\``,
    });
  }
}

export interface UnitState {
  /** `active`, `activating`, `inactive`, `failed` … */
  readonly active: string;
  readonly exitCode: number;
}

/** How the service is; `inactive` when there is none. */
export async function unitState(): Promise<UnitState> {
  const text = await systemctl("show", UNIT, "--property=ActiveState,ExecMainStatus");
  const facts = new Map(text.split("\n").map((line) => [line.split("=")[0], line.split("=")[1]]));
  return { active: facts.get("ActiveState") ?? "inactive", exitCode: Number(facts.get("ExecMainStatus") ?? 0) };
}

/** The newest lines of the service's log since a moment, in ms; none where the journal cannot be read. */
export async function journalLines(count: number, since: number): Promise<readonly string[]> {
  const from = `--since=@${Math.floor(since / 1_000)}`;
  const args = ["--unit", UNIT, from, "--lines", String(count), "--output", "cat", "--no-pager"];
  const { stdout } = await run("journalctl", args, { timeout: TIMEOUT_MS }).catch(() => ({ stdout: "" }));
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map(readableLine);
}
