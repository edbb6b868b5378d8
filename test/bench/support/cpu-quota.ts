import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";

/** As Kubernetes has it. */
const PERIOD_US = 100_000;

export interface CpuQuota {
  /** Puts a process, and whatever it starts from now on, under the quota. */
  hold(pid: number): void;
  /** To be called when its processes are gone. */
  remove(): void;
}

/** At most `share` of one core for some processes together, by a control group; undefined where we may not make one. */
export function cpuQuota(name: string, share: number): CpuQuota | undefined {
  const quotaUs = Math.round(share * PERIOD_US);
  const isV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
  const folder = path.join(isV2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", name);
  const write = (file: string, value: string | number): void => writeFileSync(path.join(folder, file), String(value));
  try {
    mkdirSync(folder);
    if (isV2) {
      write("cpu.max", `${quotaUs} ${PERIOD_US}`);
    } else {
      write("cpu.cfs_period_us", PERIOD_US);
      write("cpu.cfs_quota_us", quotaUs);
    }
  } catch {
    return undefined;
  }
  return { hold: (pid) => write("cgroup.procs", pid), remove: () => rmdirSync(folder) };
}
