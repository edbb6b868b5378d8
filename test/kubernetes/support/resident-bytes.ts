import { readFile } from "node:fs/promises";

/** Memory of a process and of its children, in bytes; 0 when it is gone. What a container's limit is compared with. */
export async function residentBytes(pid: number): Promise<number> {
  const [status, children] = await Promise.all([
    read(`/proc/${pid}/status`),
    read(`/proc/${pid}/task/${pid}/children`),
  ]);
  const own = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
  const pids = children.split(" ").flatMap((text) => (text.trim() === "" ? [] : [Number(text)]));
  const theirs = await Promise.all(pids.map(residentBytes));
  return theirs.reduce((sum, bytes) => sum + bytes, own);
}

const read = (file: string): Promise<string> => readFile(file, "utf8").catch(() => "");
