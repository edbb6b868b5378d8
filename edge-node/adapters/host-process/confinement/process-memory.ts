import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";

/** Memory of a process, in MiB. */
export interface ProcessMemory {
  readonly residentMiB: number;
  /**
   * What belongs to it alone. The limit is held against this: of the 85 MiB that a host with a small model shows as
   * resident, 63 are pages of the Node binary and of ONNX Runtime, which all hosts share.
   */
  readonly privateMiB: number;
  /** Its address space, most of which holds nothing; undefined where the system does not tell. */
  readonly addressMiB?: number;
}

/** `/proc/<pid>/status`. Not `statm`: that counts in pages, whose size Node cannot tell (16 KiB on a Raspberry Pi 5). */
export function parseStatus(text: string): ProcessMemory | undefined {
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1];
  const own = /^RssAnon:\s+(\d+) kB$/m.exec(text)?.[1];
  const address = /^VmSize:\s+(\d+) kB$/m.exec(text)?.[1];
  if (resident === undefined || own === undefined) return undefined;
  return {
    residentMiB: Number(resident) / 1_024,
    privateMiB: Number(own) / 1_024,
    ...(address !== undefined && { addressMiB: Number(address) / 1_024 }),
  };
}

/** What `ps -o rss=` prints: KiB. It does not tell shared pages apart, so the limit is held against all of them. */
export function parsePs(text: string): ProcessMemory | undefined {
  const kib = Number.parseInt(text.trim(), 10);
  return Number.isFinite(kib) ? { residentMiB: kib / 1_024, privateMiB: kib / 1_024 } : undefined;
}

/** Looks at a process; undefined when it is gone. Elsewhere than on Linux `ps` is asked, which costs some ms. */
export async function readMemory(pid: number, platform: string): Promise<ProcessMemory | undefined> {
  if (platform === "linux") {
    try {
      return parseStatus(readFileSync(`/proc/${pid}/status`, "latin1"));
    } catch {
      return undefined;
    }
  }
  return new Promise((resolve) => {
    execFile("ps", ["-o", "rss=", "-p", String(pid)], (error, stdout) =>
      resolve(error === null ? parsePs(stdout) : undefined),
    );
  });
}
