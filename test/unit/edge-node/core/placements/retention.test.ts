import { describe, expect, it } from "@jest/globals";
import { previousAfter, retainedAfter, stillRetained } from "../../../../../edge-node/core/placements/retention.ts";
import type { DesiredPlacement } from "../../../../../shared/protocol/messages/desired-placement.ts";

const artifact = (n: number): `sha256:${string}` => `sha256:${String(n).padStart(64, "0")}`;
const desired = (n: number, overrides: Partial<DesiredPlacement> = {}): DesiredPlacement => ({
  placementId: `p-${n}`,
  generation: 1,
  deployment: "d-1",
  model: "digits",
  version: String(n),
  artifact: artifact(n),
  want: "serve",
  residency: "any",
  limits: { memMiB: 1, maxBatch: 1, queue: 1, timeoutMs: 1 },
  ...overrides,
});
const document = (...placements: DesiredPlacement[]) => ({ cordoned: false, placements });

describe("retainedAfter", () => {
  it("takes the aliases from what it keeps: they are the document's to give", () => {
    const old = desired(1, { aliases: ["champion"] });
    expect(retainedAfter([old], document(desired(2, { aliases: ["champion"] })), new Set(["p-1"]))).toEqual([
      desired(1),
    ]);
  });

  it("keeps what serves while the next one of the deployment is not ready", () => {
    expect(retainedAfter([desired(1)], document(desired(2)), new Set(["p-1"]))).toEqual([desired(1)]);
    expect(retainedAfter([desired(1)], document(desired(2)), new Set(["p-1", "p-2"]))).toEqual([]);
  });

  it("keeps nothing that does not serve, and nothing of a deployment that is gone", () => {
    expect(retainedAfter([desired(1)], document(desired(2)), new Set())).toEqual([]);
    expect(retainedAfter([desired(1)], document(), new Set(["p-1"]))).toEqual([]);
    expect(retainedAfter([desired(1)], document(desired(2, { deployment: "d-2" })), new Set(["p-1"]))).toEqual([]);
  });

  it("keeps one that is to be held, as long as it is the one that serves", () => {
    const held = desired(1, { want: "hold" });
    expect(retainedAfter([desired(1)], document(held, desired(2)), new Set(["p-1"]))).toEqual([desired(1)]);
    expect(retainedAfter([desired(1)], document(held), new Set(["p-1"]))).toEqual([]);
  });
});

describe("stillRetained", () => {
  it("forgets the end of a placement that is wanted again", () => {
    expect(stillRetained([desired(1)], document(desired(1)), new Set())).toEqual([]);
    expect(stillRetained([desired(1)], document(desired(2)), new Set())).toEqual([desired(1)]);
  });
});

describe("previousAfter", () => {
  it("remembers the newest two that are not wanted any more", () => {
    const before = { wanted: [desired(3)], previous: [artifact(2), artifact(1)] };
    expect(previousAfter(before, [desired(4)])).toEqual([artifact(3), artifact(2)]);
    expect(previousAfter(before, [desired(3)])).toEqual([artifact(2), artifact(1)]);
    expect(previousAfter(before, [desired(2)])).toEqual([artifact(3), artifact(1)]);
  });
});
