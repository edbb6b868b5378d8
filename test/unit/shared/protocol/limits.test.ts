import { describe, expect, it } from "@jest/globals";
import {
  DEFAULT_BODY_BYTES,
  MAX_ALIASES_PER_VERSION,
  MAX_MESSAGE_BYTES,
  MAX_PLACEMENTS_PER_NODE,
} from "../../../../shared/protocol/limits.ts";
import { MAX_STREAMS_PER_DEPLOYMENT, MAX_STREAMS_PER_NODE } from "../../../../shared/protocol/streams.ts";
import { controlPlaneMessage } from "../../../../shared/protocol/messages/control-plane-messages.ts";
import type { DesiredPlacement } from "../../../../shared/protocol/messages/desired-placement.ts";
import { nodeMessage } from "../../../../shared/protocol/messages/node-messages.ts";

const LONGEST_NAME = "n".repeat(63);

describe("the limits of the protocol", () => {
  it("let the largest desired document and change of it fit one message: all placements, with the longest names, all aliases and all streams", () => {
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
    const head = { id: 1e9, epoch: 1e9, rev: 1e9, digest: placement.artifact, cordoned: false };
    const stream = {
      name: "s".repeat(32),
      source: "s".repeat(32),
      sink: "s".repeat(32),
      expirySeconds: 2_678_400,
      maxMiB: 16_384,
      whenFull: "drop-oldest" as const,
    };
    expect(MAX_STREAMS_PER_DEPLOYMENT + 2).toBe(MAX_STREAMS_PER_NODE);
    const placements = Array.from({ length: MAX_PLACEMENTS_PER_NODE }, (_, i) => ({
      ...placement,
      ...(i < 2 && { streams: Array.from({ length: i === 0 ? MAX_STREAMS_PER_DEPLOYMENT : 2 }, () => stream) }),
    }));
    const drop = placements.map(({ placementId }) => placementId);
    for (const message of [
      { type: "desired.snapshot", ...head, placements },
      { type: "desired.delta", ...head, baseRev: 1e9, set: placements, drop },
    ]) {
      expect(controlPlaneMessage.safeParse(message).success).toBe(true);
      expect(Buffer.byteLength(JSON.stringify(message))).toBeLessThan(MAX_MESSAGE_BYTES);
    }
  });

  it("let a picture of 1024 × 1024 pixels in three colours through as JSON", () => {
    const longest = "0.12345678901234567,".length;
    expect(DEFAULT_BODY_BYTES).toBeGreaterThan(3 * 1_024 * 1_024 * longest);
  });

  it("take out of words for a person what PostgreSQL could not store", () => {
    const report = { type: "placement.status", id: 1, placementId: "p-1", generation: 1, state: "failed" };
    const parsed = nodeMessage.parse({ ...report, code: "OUT_OF_MEMORY", detail: `a\0b \u{1f600}`.slice(0, -1) });
    expect(parsed).toMatchObject({ detail: "ab \ufffd" });
  });
});
