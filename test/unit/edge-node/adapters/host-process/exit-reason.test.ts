import { describe, expect, it } from "@jest/globals";
import { type Ending, exitReason } from "../../../../../edge-node/adapters/host-process/exit-reason.ts";

const ENDING: Ending = { known: undefined, exitCode: null, signal: null, stderr: "", memMiB: 256 };

describe("exitReason", () => {
  it("keeps the reason of the first end", () => {
    const known = { code: "WARMUP_TIMEOUT", reason: "killed after 1000 ms of its warm run" } as const;
    expect(exitReason({ ...ENDING, known, signal: "SIGKILL" })).toBe(known);
  });

  it.each<[string, Partial<Ending>, string, RegExp]>([
    ["a signal", { signal: "SIGSEGV" }, "HOST_CRASHED", /^signal SIGSEGV$/],
    ["a SIGKILL that is not ours", { signal: "SIGKILL" }, "HOST_CRASHED", /^signal SIGKILL, not from the agent/],
    [
      "an exit code with its error",
      { exitCode: 1, stderr: "Error: broken\n    at f (file.ts:1)\n\nNode.js v24.21.0\n" },
      "HOST_CRASHED",
      /^exit code 1: Error: broken$/,
    ],
    [
      "an abort for want of memory",
      { signal: "SIGABRT", stderr: "terminate called\n  what():  std::bad_alloc\n" },
      "OUT_OF_MEMORY",
      /^memory limit of 256 MiB: what\(\): {2}std::bad_alloc$/,
    ],
    [
      "a full JavaScript heap",
      {
        signal: "SIGTRAP",
        stderr:
          "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n 1: 0x7f\n",
      },
      "OUT_OF_MEMORY",
      /FATAL ERROR/,
    ],
    ["an end that nobody asked for", { exitCode: 0 }, "HOST_CRASHED", /^ended by itself$/],
  ])("explains %s", (_what, ending, code, reason) => {
    const exit = exitReason({ ...ENDING, ...ending });
    expect(exit.code).toBe(code);
    expect(exit.reason).toMatch(reason);
  });
});
