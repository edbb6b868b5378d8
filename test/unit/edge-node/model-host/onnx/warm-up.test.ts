import { describe, expect, it } from "@jest/globals";
import { warmUp } from "../../../../../edge-node/model-host/onnx/warm-up.ts";

describe("the warm run", () => {
  it("runs a quick model again though the machine is busy, as the first run is slower than the rest", async () => {
    let runs = 0;
    const busyMs = 60;
    await warmUp({
      inputs: [],
      optional: [],
      outputs: [],
      run: () => {
        runs += 1;
        // Others have the core meanwhile.
        if (runs === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busyMs);
        return Promise.resolve([]);
      },
    });
    expect(runs).toBeGreaterThan(1);
  });
});
