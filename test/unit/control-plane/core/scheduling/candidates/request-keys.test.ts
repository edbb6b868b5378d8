import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { PlacementRequest } from "../../../../../../control-plane/core/scheduling/candidates/candidate.ts";
import { hopsOf } from "../../../../../../control-plane/core/scheduling/hops.ts";
import { DEFAULT_PROFILE } from "../../../../../../control-plane/core/scheduling/profile.ts";
import { clampScore } from "../../../../../../control-plane/core/scheduling/scores/score.ts";
import type { Capabilities } from "../../../../../../shared/protocol/messages/capabilities.ts";
import type { EncoderModel } from "../../../../../../shared/text/encoder-model.ts";
import type { TextModel } from "../../../../../../shared/text/text-model.ts";
import { aFleetSession, aNode } from "../../../../../support/fleet/fleet-builder.ts";
import { aCandidate, aLoad, aRequest, onEdgeA } from "../../../../../support/fleet/scheduling-fixture.ts";

const optional = { name: "w", datatype: "FP32" as const, shape: [1], parameters: { optional: true as const } };

/** Everything of a version that a node may lack something for, or that takes longer somewhere. */
const anyVersion = {
  text: fc.constantFrom(undefined, {} as TextModel, { decoder: {} } as unknown as TextModel),
  encoder: fc.constantFrom(undefined, { maxTokens: 256 } as unknown as EncoderModel),
  engine: fc.constantFrom(
    undefined,
    undefined,
    undefined,
    { kind: "text" as const, model: "qwen" },
    { kind: "text" as const, model: "other" },
    { kind: "tensors" as const, model: "qwen" },
  ),
  opset: fc.constantFrom(undefined, 17, 23),
  irVersion: fc.constantFrom(undefined, 8, 12),
  inputs: fc.constantFrom([], [optional]),
  damage: fc.constantFrom(undefined, "chunk 3 is not whole"),
  bytes: fc.constantFrom(1_000, 400_000_000),
};
const anySpec = {
  residency: fc.constantFrom("any" as const, "edge-only" as const, "cloud-only" as const),
  where: fc.constantFrom({}, { matchLabels: { gpu: "t4" } }, { matchLabels: { zone: "a" } }),
  p95Ms: fc.constantFrom(10, 250),
  streams: fc.constantFrom(0, 1, 4),
};
const anyHops = {
  hops: fc.constantFrom(undefined, hopsOf(new Map([["r-1", 0]]), 40), hopsOf(new Map([["r-2", 15]]), 0)),
};
const anyTimes = { serviceUs: fc.constantFrom(undefined, { edge: 4_000, cloud: 900 }, { edge: 80_000, cloud: 900 }) };
/** One map for each version, as in one plan; on other nodes it errs as often. */
const sharesOf = new Map([["edge-a", 0.1]]);
const anyErrors = { errorShares: fc.constantFrom(undefined, sharesOf) };
const anyNeed = {
  ...anyHops,
  ...anyTimes,
  ...anyErrors,
  memMiB: fc.constantFrom(100, 600, 2_000),
  diskMiB: fc.constantFrom(100, 600, 2_000),
};

const anyFacts = fc.record({ ...anyVersion, ...anySpec, ...anyNeed });
type Facts = typeof anyFacts extends fc.Arbitrary<infer Each> ? Each : never;

/** Two requests that differ in one thing at most. */
const anyTwo = fc
  .tuple(anyFacts, anyFacts, fc.constantFrom(...Object.keys({ ...anyVersion, ...anySpec, ...anyNeed })))
  .map(([first, other, field]): readonly [PlacementRequest, PlacementRequest] => [
    requestOf(first),
    requestOf({ ...first, [field]: other[field as keyof Facts] }),
  ]);

function requestOf({
  residency,
  where,
  p95Ms,
  streams,
  memMiB,
  diskMiB,
  hops,
  serviceUs,
  errorShares,
  ...of
}: Facts): PlacementRequest {
  return aRequest({
    spec: { placement: { residency, where }, slo: { p95Ms }, streams: someStreams(streams) },
    of,
    memMiB,
    diskMiB,
    hops,
    serviceUs,
    errorShares,
  });
}

const someStreams = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `s${i}`, source: "inbox", sink: "outbox" }));

/** A node that holds nothing of theirs. */
const anyCandidate = fc
  .record({
    kind: fc.constantFrom("edge" as const, "cloud" as const),
    zone: fc.constantFrom("a", "b"),
    labels: fc.constantFrom({}, { gpu: "t4" }),
    runtimes: fc.subarray(["onnx", "gguf", "generate", "embed"]),
    engines: fc.constantFrom(undefined, [{ api: "openai", models: ["qwen"] }], [{ api: "oip", models: ["qwen"] }]),
    optionalInputs: fc.boolean(),
    load: fc.record({ cpuPct: fc.integer({ min: 0, max: 100 }), rttMs: fc.integer({ min: 0, max: 300 }) }),
    reservedMiB: fc.constantFrom(0, 450, 1_000),
    replica: fc.constantFrom("r-1", "r-2"),
    pushBytesPerMs: fc.constantFrom(undefined, 10, 5_000, 100_000),
    placements: fc.constantFrom([], [onEdgeA({ deployment: "other", model: "other" })]),
    streamsBy: fc.constantFrom(new Map(), new Map([["other", 4]])),
  })
  .map(({ kind, zone, labels, runtimes, engines, optionalInputs, load, replica, ...room }) => {
    const known = { ...aNode("edge-a").capabilities, runtimes, engines, optionalInputs } as Capabilities;
    return aCandidate({
      of: { kind, zone, labels, capabilities: known, load: aLoad(load), session: aFleetSession({ replica }) },
      ...room,
    });
  });

const nothing = { own: [], byZone: new Map<string, number>() };
const runs = { numRuns: 10_000 };

describe("on a node that holds nothing of their models and deployments, requests with the same key", () => {
  it("are all refused by a filter, or none is: by one that asks for an amount when there is less, by one that is open to them never", () => {
    const refusing = new Set<string>();
    const open = new Set<string>();
    fc.assert(
      fc.property(anyTwo, anyCandidate, ([first, second], candidate) => {
        const wrong = DEFAULT_PROFILE.filters.filter((filter) => {
          const { code, keyOf, amount, isOpenTo } = filter;
          const refuses = (need: PlacementRequest) => filter.refuse(candidate, need, nothing.own) !== undefined;
          if (refuses(first)) refusing.add(code);
          if (isOpenTo?.(first) === true) {
            open.add(code);
            if (refuses(first)) return true;
          }
          if (amount && amount.needed(first) > amount.of(candidate) !== refuses(first)) return true;
          return keyOf(first) === keyOf(second) && refuses(second) !== refuses(first);
        });
        expect(wrong.map(({ code }) => code)).toEqual([]);
      }),
      runs,
    );
    expect([...open].toSorted()).toEqual(["bytes-whole", "has-streams", "residency", "where-matches"]);
    // All that read anything of a request without its own placements.
    expect([...refusing].toSorted()).toEqual(
      [
        "bytes-whole",
        "fits-disk",
        "fits-memory",
        "has-streams",
        "node-large-enough",
        "push-in-time",
        "residency",
        "runtime-supported",
        "where-matches",
      ].toSorted(),
    );
  });

  it("get the same points of a score, and of one that falls by units as many as those take", () => {
    fc.assert(
      fc.property(anyTwo, anyCandidate, ([first, second], candidate) => {
        const wrong = DEFAULT_PROFILE.scores.filter(({ score }) => {
          const points = score.points(candidate, first, nothing);
          const { perUnit, units } = score.lost ?? {};
          if (perUnit && units && clampScore(100 - perUnit(candidate) * units(first)) !== points) return true;
          return score.keyOf(first) === score.keyOf(second) && score.points(candidate, second, nothing) !== points;
        });
        expect(wrong.map(({ score }) => score.name)).toEqual([]);
      }),
      runs,
    );
  });
});
