import { describe, expect, it } from "@jest/globals";
import { execFile } from "node:child_process";
import { pathToFileURL } from "node:url";
import path from "node:path";
import { promisify } from "node:util";
import { systemClock } from "../../../../shared/base/clock.ts";

const run = promisify(execFile);
const CLOCK = pathToFileURL(path.join(import.meta.dirname, "../../../../shared/base/clock.ts")).href;

describe("the machine's clock", () => {
  it("calls back for a time that is past, and nothing is written on standard error", async () => {
    const program = `import { systemClock } from ${JSON.stringify(CLOCK)}; systemClock.after(-2.5, () => console.log("called"));`;
    expect(await run(process.execPath, ["--input-type=module", "--eval", program])).toEqual({
      stdout: "called\n",
      stderr: "",
    });
  });

  it("calls back nobody who has called it off", async () => {
    let calls = 0;
    const cancel = systemClock.after(0, () => (calls += 1));
    cancel();
    cancel();
    await new Promise<void>((resolve) => systemClock.after(5, resolve));
    expect(calls).toBe(0);
  });
});
