import { describe, expect, it } from "@jest/globals";
import {
  MAX_ALIASES_PER_VERSION,
  MAX_MESSAGE_BYTES,
  MAX_PLACEMENTS_PER_NODE,
} from "../../../shared/protocol/limits.ts";
import { type DesiredPlacement, desiredSnapshot } from "../../../shared/protocol/messages.ts";

const LONGEST_NAME = "n".repeat(63);

describe("the limits of the protocol", () => {
  it("let the largest desired document fit one message: all placements, with the longest names and all aliases", () => {
    const placement: DesiredPlacement = {
      placementId: `p-${"0".repeat(10)}`,
      generation: 1_000_000,
      deployment: LONGEST_NAME,
      model: LONGEST_NAME,
      version: "1000000000",
      aliases: Array.from({ length: MAX_ALIASES_PER_VERSION }, () => LONGEST_NAME),
      artifact: `sha256:${"0".repeat(64)}`,
      want: "serve",
      residency: "cloud-only",
      limits: { memMiB: 1_048_576, maxBatch: 256, queue: 64, timeoutMs: 60_000, maxDelayUs: 100_000 },
    };
    const snapshot = {
      type: "desired.snapshot",
      id: 1_000_000_000,
      epoch: 1_000_000_000,
      rev: 1_000_000_000,
      digest: placement.artifact,
      cordoned: false,
      placements: Array.from({ length: MAX_PLACEMENTS_PER_NODE }, () => placement),
    };
    expect(desiredSnapshot.safeParse(snapshot).success).toBe(true);
    expect(Buffer.byteLength(JSON.stringify(snapshot))).toBeLessThan(MAX_MESSAGE_BYTES);
  });
});
