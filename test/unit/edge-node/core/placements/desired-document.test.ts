import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { judgeDesired, type DesiredMessage } from "../../../../../edge-node/core/placements/desired-document.ts";
import {
  deltaBetween,
  desiredDigest,
  EMPTY_DESIRED,
  sortedDesired,
  type DesiredState,
} from "../../../../../shared/protocol/desired.ts";
import { desiredSnapshot } from "../../../../../shared/protocol/messages/control-plane-messages.ts";
import type { DesiredPlacement } from "../../../../../shared/protocol/messages/desired-placement.ts";

const desired = (n: number, generation = 1): DesiredPlacement => ({
  placementId: `p-${n}`,
  generation,
  deployment: "d-1",
  model: "digits",
  version: "1",
  artifact: `sha256:${"0".repeat(64)}`,
  want: "serve",
  residency: "any",
  limits: { memMiB: 1, maxBatch: 1, queue: 1, timeoutMs: 1 },
});

const state = (...placements: DesiredPlacement[]): DesiredState => sortedDesired({ cordoned: false, placements });

const snapshot = (rev: number, to: DesiredState): DesiredMessage => ({
  type: "desired.snapshot",
  id: 1,
  rev,
  digest: desiredDigest(to),
  cordoned: to.cordoned,
  placements: [...to.placements],
});

const delta = (baseRev: number, from: DesiredState, to: DesiredState): DesiredMessage => {
  const { cordoned, set, drop } = deltaBetween(from, to);
  const digest = desiredDigest(to);
  return { type: "desired.delta", id: 1, baseRev, rev: baseRev + 1, digest, cordoned, set: [...set], drop: [...drop] };
};

describe("judgeDesired", () => {
  const here = { rev: 7, state: state(desired(1)) };

  it("applies a snapshot and a delta that continues", () => {
    const next = state(desired(1), desired(2));
    expect(judgeDesired(here, snapshot(9, next))).toEqual({ kind: "apply", document: { rev: 9, state: next } });
    expect(judgeDesired(here, delta(7, here.state, next))).toEqual({
      kind: "apply",
      document: { rev: 8, state: next },
    });
  });

  it("ignores an older revision, and acknowledges the present one again", () => {
    expect(judgeDesired(here, snapshot(6, state()))).toEqual({ kind: "stale" });
    expect(judgeDesired(here, snapshot(7, here.state))).toEqual({ kind: "known" });
  });

  it("asks for a snapshot when a delta has another base or another outcome", () => {
    const next = state(desired(2));
    expect(judgeDesired(here, delta(8, here.state, next))).toEqual({ kind: "lost" });
    expect(judgeDesired(here, delta(7, state(desired(3)), state(desired(4))))).toEqual({ kind: "lost" });
  });

  it("takes a snapshot of the same revision with other content: the sender knows better", () => {
    expect(judgeDesired(here, snapshot(7, state(desired(9))))).toMatchObject({ kind: "apply" });
  });

  it("calls a leap of more than a million broken, but for a node that knows nothing", () => {
    expect(judgeDesired(here, snapshot(1_000_008, state()))).toMatchObject({ kind: "broken" });
    expect(judgeDesired({ rev: 0, state: EMPTY_DESIRED }, snapshot(2_000_000, state(desired(1))))).toMatchObject({
      kind: "apply",
    });
  });

  it("calls a snapshot that contradicts its own digest broken", () => {
    const lie = { ...snapshot(9, state(desired(2))), digest: desiredDigest(state(desired(3))) };
    expect(judgeDesired(here, lie)).toMatchObject({ kind: "broken" });
  });

  it("keeps fields of a newer control plane, so that digests still agree", () => {
    const newer = { ...desired(1), colour: "blue", limits: { ...desired(1).limits, watts: 3 } };
    const sent = { cordoned: false, placements: [newer] };
    const message = desiredSnapshot.parse(JSON.parse(JSON.stringify(snapshot(9, sent))));
    expect(judgeDesired(here, message)).toMatchObject({ kind: "apply" });
  });

  it("arrives at the same document by deltas and by snapshots", () => {
    const documents = fc.array(
      fc
        .uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 6 })
        .map((ids) => state(...ids.map((n) => desired(n)))),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(documents, fc.array(fc.boolean()), (list, asSnapshot) => {
        let current = { rev: 0, state: EMPTY_DESIRED };
        list.forEach((to, index) => {
          const message = asSnapshot[index] ? snapshot(current.rev + 1, to) : delta(current.rev, current.state, to);
          const verdict = judgeDesired(current, message);
          if (verdict.kind === "apply") current = verdict.document;
          expect(current).toEqual({ rev: index + 1, state: to });
        });
      }),
    );
  });
});
