import { describe, expect, it } from "@jest/globals";
import { refuseImpossibleSharing } from "../../../../../control-plane/app/deployments/impossible-sharing.ts";
import { deploymentSpec } from "../../../../../shared/api/v1/deployments/deployment-spec.ts";
import { aFleet, aVersion } from "../../../../support/fleet/fleet-builder.ts";

const MIB = 1_048_576;
const fleet = aFleet({
  versions: [
    aVersion("digits", 1, { bytes: MIB }),
    aVersion("digits", 2, { bytes: 80 * MIB }),
    aVersion("digits", 4, { bytes: MIB, state: "checking" }),
    aVersion("digits", 5, { bytes: MIB, state: "rejected" }),
  ],
  aliases: [
    { model: "digits", alias: "small", version: 1 },
    { model: "digits", alias: "large", version: 2 },
  ],
});
const judge = (version: number | string, isolation: "shared" | "dedicated" = "shared"): void =>
  refuseImpossibleSharing(
    fleet,
    deploymentSpec.parse({ name: "digits-lyon", model: "digits", version, limits: { isolation } }),
  );

describe("a deployment that asks for a shared host", () => {
  it.each([2, "large"])("is refused with the reason for version %s, which is too large for one", (version) => {
    expect(() => judge(version)).toThrow(
      expect.objectContaining({
        code: "CANNOT_SHARE_HOST",
        message:
          "digits-lyon asks for a shared model host: digits:2 has 80 MiB, and a model that shares a host may have 64",
      }),
    );
  });

  it("is refused for a version that was rejected", () => {
    expect(() => judge(5)).toThrow("digits:5 has not passed its check: it is rejected");
  });

  it.each([1, "small", 3, "unknown", 4])(
    "is taken for version %s: what is not known yet is judged later",
    (version) => {
      expect(() => judge(version)).not.toThrow();
    },
  );

  it("is not asked for by one that asks for a host of its own", () => {
    expect(() => judge(2, "dedicated")).not.toThrow();
  });
});
