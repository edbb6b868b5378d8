import { describe, expect, it } from "@jest/globals";
import { rolloutSpec } from "../../../../../../shared/api/v1/rollouts/rollout-spec.ts";

describe("the rollout of a deployment", () => {
  it.each([
    ["gate.useSamples", { gate: { useSamples: true } }],
    ["gate.useSamples", { gate: { useSamples: true, minRequests: 5 }, bakeSeconds: 0 }],
    ["gate.minAgreement", { gate: { minAgreement: "90%" } }],
    ["bakeSeconds", { strategy: "shadow", bakeSeconds: 0 }],
    ["waves", { strategy: "recreate", waves: [{ percent: 10 }] }],
    ["approval", { approval: ["promote", "promote"] }],
    ["approval.0", { approval: ["each-wave"] }],
    ["approval", { approval: [] }],
    ["freeze.0.to", { freeze: [{ from: "08:00", to: "25:00" }] }],
    ["freeze.1.timezone", { freeze: [{ days: ["sat"] }, { days: ["sun"], timezone: "Berlin" }] }],
  ])("is refused by its field %s: %j", (field, spec) => {
    expect(rolloutSpec.safeParse(spec).error?.issues.map(({ path }) => path.join("."))).toEqual([field]);
  });

  it("needs no approval and knows no frozen window unless it says so", () => {
    expect(rolloutSpec.parse({})).toMatchObject({ strategy: "rolling", gate: { useSamples: false } });
    expect(Object.keys(rolloutSpec.parse({}))).toEqual(["strategy", "bakeSeconds", "gate"]);
  });
});
