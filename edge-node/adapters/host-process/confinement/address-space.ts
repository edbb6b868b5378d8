import { execFile } from "node:child_process";

/**
 * Sets how much address space a running process may have, in MiB; 0: any amount. With it an allocation beyond the limit
 * fails inside the run that asked for it, as an exception, and the host goes on: a watch alone finds it afterwards and
 * can only kill. Resolves to false where it cannot be set: elsewhere than on Linux, or without util-linux.
 */
export function limitAddressSpace(pid: number, mebibytes: number): Promise<boolean> {
  const soft = mebibytes === 0 ? "unlimited" : String(Math.ceil(mebibytes) * 1_048_576);
  return new Promise((resolve) => {
    execFile("prlimit", ["--pid", String(pid), `--as=${soft}:`], { timeout: 5_000 }, (error) =>
      resolve(error === null),
    );
  });
}
