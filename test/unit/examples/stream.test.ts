import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { parse } from "yaml";
import { anomalyModel } from "../../../examples/stream/fit.ts";
import { csvOf, FAULTS, type Fault, Machine, WINDOW_ROWS } from "../../../examples/stream/machine.ts";
import { readDocument } from "../../../shared/pipeline/document.ts";
import type { Value } from "../../../shared/pipeline/values.ts";
import { bytes, valueOf } from "../shared/pipeline/run-step.ts";

const folder = join(import.meta.dirname, "../../../examples/stream");
const document = parse(readFileSync(join(folder, "pipeline.yaml"), "utf8")) as {
  steps: readonly Record<string, object>[];
};

/** What the steps of the example make of one window, its graph in between. */
async function decide(session: InferenceSession, csv: string): Promise<string | undefined> {
  let value: Value = bytes(csv);
  for (const step of document.steps) {
    const [entry] = Object.entries(step);
    if (entry === undefined) continue;
    const [name, params] = entry;
    if (name !== "model") value = valueOf(name, params, value);
    else if (value.kind === "tensor") {
      const input = new Tensor("float32", Float32Array.from(value.data as Float32Array), [...value.shape]);
      const { distance } = await session.run({ features: input });
      const data = Float32Array.from(distance?.data as Float32Array);
      value = { kind: "tensor", datatype: "FP32", shape: [data.length, 1], data };
    }
  }
  return value.kind === "decision" ? value.labels[0] : undefined;
}

describe("examples/stream", () => {
  it("has the model that its fit makes", () => {
    expect(Buffer.from(anomalyModel()).equals(readFileSync(join(folder, "anomaly.onnx")))).toBe(true);
  });

  it("makes the same windows of the same seed, and others of another", () => {
    const [one, same, other] = [3, 3, 4].map((seed) => csvOf(new Machine(seed).window("bearing")));
    expect([one === same, one === other, one?.split("\n").length]).toEqual([true, false, WINDOW_ROWS + 2]);
  });

  it("decides that a machine is sound while nothing is wrong, and at no other time", async () => {
    expect(readDocument(document).steps).toHaveLength(5);
    const session = await InferenceSession.create(join(folder, "anomaly.onnx"));
    const machine = new Machine(2);
    const wrongly: (readonly [Fault | undefined, string | undefined])[] = [];
    for (let n = 0; n < 200; n += 1) {
      const fault = n % 5 === 4 ? FAULTS[Math.floor(n / 5) % FAULTS.length] : undefined;
      const decision = await decide(session, csvOf(machine.window(fault)));
      if ((decision === "sound") !== (fault === undefined)) wrongly.push([fault, decision]);
    }
    expect(wrongly).toEqual([]);
    await session.release();
  });
});
