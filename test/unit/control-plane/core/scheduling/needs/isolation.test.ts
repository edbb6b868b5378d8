import { describe, expect, it } from "@jest/globals";
import { isolationOf, whyDedicated } from "../../../../../../control-plane/core/scheduling/needs/isolation.ts";
import type { FleetVersion } from "../../../../../../control-plane/core/fleet/types.ts";
import type { DeploymentSpec } from "../../../../../../shared/api/v1/deployments/deployment-spec.ts";
import { aDeployment, aVersion } from "../../../../../support/fleet/fleet-builder.ts";

const MIB = 1_048_576;
const small = aVersion("digits", 1, { bytes: 3 * MIB });

function specWith(limits: Partial<DeploymentSpec["limits"]>): DeploymentSpec {
  const { spec } = aDeployment({ name: "digits", model: "digits", version: 1 });
  return { ...spec, limits: { ...spec.limits, isolation: "shared", ...limits } };
}

describe("a version may share a model host", () => {
  it("when it is small, of tensors and checked", () => {
    expect(whyDedicated(small, specWith({}))).toBeUndefined();
    expect(whyDedicated(aVersion("digits", 1, { bytes: 64 * MIB }), specWith({}))).toBeUndefined();
  });

  it.each<[string, Partial<FleetVersion>, Partial<DeploymentSpec["limits"]>, string]>([
    ["too large", { bytes: 64 * MIB + 1 }, {}, "digits:1 has 65 MiB, and a model that shares a host may have 64"],
    ["not checked", { state: "checking" }, {}, "digits:1 has not passed its check: it is checking"],
    [
      "of an engine",
      { engine: { kind: "llama", model: "m" } as never },
      {},
      "digits:1 is no model of tensors, and only those share a model host",
    ],
    [
      "with a memory limit",
      {},
      { memMiB: 64 },
      "only a model host of its own is held to `limits.memMiB`: leave that out",
    ],
    [
      "with a run limit below that of shared hosts",
      {},
      { timeoutMs: 1_999 },
      "in a shared host a run is stopped after 2000 ms, and `limits.timeoutMs` is 1999",
    ],
  ])("not when it is %s", (_what, version, limits, why) => {
    const found = aVersion("digits", 1, { bytes: 3 * MIB, ...version });
    const spec = specWith(limits);
    expect(whyDedicated(found, spec)).toBe(why);
    expect(isolationOf(found, { spec })).toBe("dedicated");
  });
});

describe("the isolation of a placement", () => {
  it.each([
    ["shared", "shared"],
    ["dedicated", "dedicated"],
    [undefined, "shared"],
  ] as const)("declared %s is %s", (declared, expected) => {
    const { isolation: _, ...limits } = specWith({}).limits;
    const spec = { ...specWith({}), limits: { ...limits, ...(declared && { isolation: declared }) } };
    expect(isolationOf(small, { spec })).toBe(expected);
    expect(isolationOf(aVersion("digits", 1, { bytes: 65 * MIB }), { spec })).toBe("dedicated");
  });

  it.each([
    [10_000, undefined, "shared"],
    [10_001, undefined, "dedicated"],
    [10_001, "shared", "shared"],
  ] as const)("whose runs may take %d ms, declared %s, is %s", (timeoutMs, isolation, expected) => {
    const { isolation: _, ...limits } = specWith({ timeoutMs }).limits;
    const spec = { ...specWith({}), limits: { ...limits, ...(isolation && { isolation }) } };
    expect(isolationOf(small, { spec })).toBe(expected);
  });
});
