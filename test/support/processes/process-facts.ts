import { readdir, readFile } from "node:fs/promises";

/** What Linux tells of a running process, for tests that count what a program holds. */

/** Resident memory in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kiB = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kiB === undefined) throw new Error(`process ${pid} shows no resident memory`);
  return Number(kiB) / 1_024;
}

/** Files and sockets that it holds open. */
export async function openDescriptors(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

/** Its children that run our model host. */
export async function modelHostsOf(pid: number): Promise<readonly number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const hosts: number[] = [];
  for (const child of children.split(" ").filter(Boolean).map(Number)) {
    const command = await readFile(`/proc/${child}/cmdline`, "utf8").catch(() => "");
    if (command.includes("model-host")) hosts.push(child);
  }
  return hosts;
}
