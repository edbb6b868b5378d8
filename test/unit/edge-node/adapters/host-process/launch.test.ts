import { describe, expect, it } from "@jest/globals";
import { launchOf, type LaunchParts } from "../../../../../edge-node/adapters/host-process/launch.ts";

const PARTS: LaunchParts = {
  execPath: "/usr/bin/node",
  entry: "/app/main.ts",
  task: '{"model":"digits"}',
  memMiB: 512,
  mappedMiB: 0,
  arch: "x64",
  shell: "/bin/sh",
  prefix: [],
  guarded: true,
  compileCache: "/state/cache",
};

/** The script's first two arguments: the cap in KiB and whether there is a guard. */
const capAndGuard = (over: Partial<LaunchParts> = {}): readonly string[] =>
  launchOf({ ...PARTS, ...over }).args.slice(3, 5);

describe("launchOf", () => {
  it("ends with the Node binary, its flags, the entry and the task as one argument", () => {
    const { command, args } = launchOf(PARTS);
    expect(command).toBe("/bin/sh");
    expect(args[5]).toBe("/usr/bin/node");
    expect(args.slice(-2)).toEqual(["/app/main.ts", '{"model":"digits"}']);
  });

  it("becomes the node by way of what confines it", () => {
    const { args } = launchOf({ ...PARTS, prefix: ["setpriv", "--no-new-privs", "--"] });
    expect(args.slice(5, 9)).toEqual(["setpriv", "--no-new-privs", "--", "/usr/bin/node"]);
  });

  it("caps the address space at the limit and what Node reserves", () => {
    expect(capAndGuard()).toEqual([String((512 + 1_536) * 1_024), "guard"]);
    expect(capAndGuard({ arch: "arm64" })).toEqual([String((512 + 1_536) * 1_024), "guard"]);
  });

  it("sets no cap where nothing was measured, or where there is no limit", () => {
    expect(capAndGuard({ arch: "riscv64" })[0]).toBe("0");
    expect(capAndGuard({ memMiB: 0 })[0]).toBe("0");
  });

  it("leaves no guard for process 1", () => {
    expect(capAndGuard({ guarded: false })[1]).toBe("alone");
  });

  it("starts Node directly where there is no shell", () => {
    const { command, args } = launchOf({ ...PARTS, shell: undefined });
    expect(command).toBe("/usr/bin/node");
    expect(args.slice(-2)).toEqual(["/app/main.ts", '{"model":"digits"}']);
  });

  it("gives the host nothing of the agent's environment", () => {
    const { env } = launchOf(PARTS);
    expect(Object.keys(env).toSorted()).toEqual([
      "HOME",
      "MALLOC_ARENA_MAX",
      "MALLOC_MMAP_THRESHOLD_",
      "MALLOC_TRIM_THRESHOLD_",
      "NODE_COMPILE_CACHE",
      "NODE_NO_WARNINGS",
      "UV_THREADPOOL_SIZE",
    ]);
  });
});
