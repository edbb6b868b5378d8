import { describe, expect, it } from "@jest/globals";
import { SharedHost } from "../../../../../edge-node/app/hosts/shared-host.ts";
import type { SharedHostProcess } from "../../../../../edge-node/ports/shared-hosts.ts";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { TestClock } from "../../../../support/test-clock.ts";

/** A shared host whose requests take a second each. */
function aHost() {
  const clock = new TestClock();
  const unfit: string[] = [];
  const memory = { limitMiB: 500, privateMiB: 60, residentMiB: 90 };
  const process = {
    load: () => Promise.resolve(1),
    unload: () => Promise.resolve(),
    holdTo: () => Promise.resolve(),
    memory: () => memory,
    ask: () => {
      const times = { computeUs: 1_000_000, decodeUs: 0, encodeUs: 0 };
      return Promise.resolve({ status: 200, headerLength: 0, body: own(Buffer.alloc(0)), batchSize: 1, ...times });
    },
  } as unknown as SharedHostProcess;
  const host = new SharedHost({
    name: "shared-1",
    process: Promise.resolve(process),
    clock,
    onEmpty: () => Promise.resolve(),
    onUnfit: (directory) => unfit.push(directory),
  });
  const load = (model: string) =>
    host.load(
      {
        placementId: model,
        model,
        version: "1",
        directory: model,
        limits: { memMiB: 100, maxBatch: 8, queue: 64, timeoutMs: 2_000 },
      },
      {
        inputs: [],
        outputs: [],
        noBatchReason: undefined,
        warmUs: 1,
        runCpuUs: 1,
        loadCpuMs: 1,
        addedMiB: 1,
        hasRun: true,
      },
      new AbortController().signal,
    );
  return { host, load, clock, unfit, memory };
}

describe("a process with several models", () => {
  it.each([
    ["by itself", undefined, [false, true]],
    ["by a request", "OUT_OF_MEMORY", [true, true]],
  ] as const)(
    "counts its end %s as a crash of the model that ended it alone, or of none",
    async (_, blames, mayReturn) => {
      const { host, load } = aHost();
      const models = [await load("a"), await load("b")];
      const exit = { code: "HOST_CRASHED", reason: "signal SIGSEGV", endedBy: 1, ...(blames && { blames }) } as const;
      host.ended(exit, { mayReturn: true, sentence: "it ended" });
      const exits = await Promise.all(models.map(({ exited }) => exited));
      expect(exits.map(({ shared }) => shared?.mayReturn)).toEqual(mayReturn);
    },
  );

  it("takes no further model while it holds what models that left were counted for", async () => {
    const { host, load, memory } = aHost();
    const [leaving] = [await load("a"), await load("b"), await load("c"), await load("d")];
    memory.privateMiB = 280;
    expect([host.view.isClosed, host.whyWorn]).toEqual([false, undefined]);
    await leaving.stop(0);
    memory.privateMiB = 295; // of 320 and three times 16
    expect([host.view.isClosed, host.whyWorn]).toEqual([true, undefined]);
  });

  it("loses one of two busy models: the other has it for itself then", async () => {
    const { load, clock, unfit } = aHost();
    const models = [await load("a"), await load("b")];
    for (const model of models)
      for (let i = 0; i < 3; i += 1)
        await model.infer({ body: Buffer.alloc(0), headerLength: 0, timeoutMs: 1_000, maxRows: 1 });
    await clock.advance(10_000);
    for (const model of models) model.reviewWork?.();
    expect(models.map((model) => model.whyReplace?.() !== undefined)).toEqual([true, false]);
    expect(unfit).toEqual(["a"]);
  });
});
