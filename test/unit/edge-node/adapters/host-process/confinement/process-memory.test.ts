import { describe, expect, it } from "@jest/globals";
import {
  parsePs,
  parseStatus,
  readMemory,
} from "../../../../../../edge-node/adapters/host-process/confinement/process-memory.ts";

describe("process memory", () => {
  it("takes apart what is resident and what belongs to the process alone", () => {
    const status =
      "Name:\tnode\nVmSize:\t 1273108 kB\nVmRSS:\t  109056 kB\nRssAnon:\t   36864 kB\nRssFile:\t   72192 kB\n";
    expect(parseStatus(status)).toEqual({ residentMiB: 106.5, privateMiB: 36, addressMiB: 1_273_108 / 1_024 });
  });

  it("knows nothing of a zombie, whose status has no memory", () => {
    expect(parseStatus("Name:\tnode\nState:\tZ (zombie)\n")).toBeUndefined();
  });

  it("reads the figure of ps", () => {
    expect(parsePs("  87040\n")).toEqual({ residentMiB: 85, privateMiB: 85 });
    expect(parsePs("")).toBeUndefined();
  });

  it.each(["linux", "darwin"])("finds this process as on %s", async (platform) => {
    expect((await readMemory(process.pid, platform))?.residentMiB).toBeGreaterThan(10);
  });

  it.each(["linux", "darwin"])("gives nothing for a process that is gone, as on %s", async (platform) => {
    expect(await readMemory(0x7fff_fff0, platform)).toBeUndefined();
  });
});
