import { describe, expect, it } from "@jest/globals";
import { declaredStreams, isSameStream } from "../../../../../edge-node/core/streams/declared-streams.ts";
import type { DesiredStream } from "../../../../../shared/protocol/streams.ts";

const spec: DesiredStream = {
  name: "press",
  source: "sensors",
  sink: "plant",
  expirySeconds: 60,
  maxMiB: 1,
  whenFull: "drop-oldest",
};

describe("the streams that placements declare", () => {
  it("are those of placements that serve, under the name of their deployment", () => {
    const declared = declaredStreams([
      { deployment: "vibration", want: "serve", streams: [spec, { ...spec, name: "pump" }] },
      { deployment: "spare", want: "hold", streams: [spec] },
      { deployment: "plain", want: "serve", streams: [] },
    ]);
    expect([...declared.keys()]).toEqual(["vibration/press", "vibration/pump"]);
  });

  it("are said once by two versions of a deployment, the newer placement being believed", () => {
    const declared = declaredStreams([
      { deployment: "vibration", want: "serve", streams: [spec] },
      { deployment: "vibration", want: "serve", streams: [{ ...spec, maxMiB: 2 }] },
    ]);
    expect([...declared.values()].map((each) => each.spec.maxMiB)).toEqual([2]);
  });

  it.each([
    { source: "others" },
    { sink: "others" },
    { expirySeconds: 61 },
    { maxMiB: 2 },
    { whenFull: "refuse" as const },
  ])("begin anew with %j", (change) => {
    expect(isSameStream(spec, { ...spec })).toBe(true);
    expect(isSameStream(spec, { ...spec, ...change })).toBe(false);
  });
});
