import { describe, expect, it } from "@jest/globals";
import { SharedMember } from "../../../../../edge-node/app/hosts/shared-member.ts";
import type { SharedHostProcess, SharedModel } from "../../../../../edge-node/ports/shared-hosts.ts";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { TestClock } from "../../../../support/test-clock.ts";

/** A model in a host of two, whose requests take `computeUs` each. */
async function aMember({ computeUs = 0, othersMs = 0 } = {}) {
  const clock = new TestClock();
  const unfit: string[] = [];
  let loaded: SharedModel | undefined;
  const member: SharedMember = new SharedMember({
    spec: {
      placementId: "p-1",
      model: "digits",
      version: "3",
      directory: "/models/a-1",
      limits: { memMiB: 100, maxBatch: 8, queue: 64, timeoutMs: 2_000 },
    },
    tried: {
      inputs: [],
      outputs: [],
      noBatchReason: undefined,
      warmUs: 100,
      runCpuUs: 2_000,
      loadCpuMs: 1,
      addedMiB: 7,
      hasRun: true,
    },
    slot: 1,
    clock,
    host: "shared-1",
    counted: () => 16,
    whyWorn: () => undefined,
    hostWork: () => ({ hostWorkMs: member.workMs + othersMs, models: 2 }),
    onUnfit: (why) => unfit.push(why),
    onLeft: () => Promise.resolve(),
  });
  const rows: number[] = [];
  await member.load({
    load: (_slot: number, model: SharedModel) => Promise.resolve(((loaded = model), 5)),
    unload: () => Promise.resolve(),
    ask: (_slot: number, { maxRows }: { maxRows: number }) => {
      rows.push(maxRows);
      const answer = { status: 200, headerLength: 0, body: own(Buffer.alloc(0)), computeUs, decodeUs: 0, encodeUs: 0 };
      return Promise.resolve({ ...answer, code: undefined, batchSize: 1 });
    },
  } as unknown as SharedHostProcess);
  const ask = () => member.infer({ body: Buffer.alloc(0), headerLength: 0, timeoutMs: 1_000, maxRows: 32 });
  return { member, clock, unfit, ask, rows, slow: (cpuMs: number) => loaded?.onSlowBatch(cpuMs) };
}

describe("a model in a shared host", () => {
  it("has runs of about 10 ms at most, whatever may share them", async () => {
    const { ask, rows } = await aMember();
    await ask();
    expect(rows).toEqual([5]);
  });

  it("asks its host nothing more from its stop on, as its slot may be another model's then", async () => {
    const { member, ask, rows } = await aMember();
    const stopped = member.stop(0);
    await expect(ask()).rejects.toMatchObject({ code: "HOST_CRASHED", started: false });
    await stopped;
    await expect(ask()).rejects.toMatchObject({ started: false });
    expect(rows).toEqual([]);
  });

  it("has to leave after three slow batches within a minute", async () => {
    const { member, clock, unfit, slow } = await aMember();
    slow(150);
    slow(150);
    await clock.advance(60_000);
    slow(150);
    slow(150);
    expect([member.whyReplace(), unfit]).toEqual([undefined, []]);
    slow(120);
    const why = "its runs keep the other models of shared-1 waiting, the last one for 120 ms";
    expect([member.whyReplace(), unfit]).toEqual([why, [why]]);
  });

  it("has to leave when it works much of the time in a host that works half of it", async () => {
    const { member, clock, unfit, ask } = await aMember({ computeUs: 1_000_000, othersMs: 2_000 });
    for (let i = 0; i < 3; i += 1) await ask();
    await clock.advance(10_000);
    const why = "it kept shared-1 busy for 3000 of 10000 ms";
    expect([member.whyReplace(), unfit]).toEqual([undefined, []]); // a question decides nothing
    member.reviewWork();
    member.reviewWork();
    expect([member.whyReplace(), member.whyReplace(), unfit]).toEqual([why, why, [why]]);
  });

  it("stays while the host has time left", async () => {
    const { member, clock, ask } = await aMember({ computeUs: 1_000_000, othersMs: 1_000 });
    for (let i = 0; i < 3; i += 1) await ask();
    await clock.advance(10_000);
    member.reviewWork();
    expect(member.whyReplace()).toBeUndefined();
  });
});
