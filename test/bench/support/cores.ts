import { spawnSync } from "node:child_process";

/** Keeps every thread of the processes, and whatever they start from now on, on one core. Throws where there is no `taskset`. */
export function keepOn(core: number, pids: readonly (number | undefined)[]): void {
  for (const pid of pids) {
    if (pid === undefined) continue;
    const { status, error, stderr } = spawnSync("taskset", ["-acp", String(core), String(pid)], { encoding: "utf8" });
    if (status !== 0)
      throw new Error(`process ${pid} cannot be kept on core ${core}: ${error?.message ?? stderr.trim()}`);
  }
}
