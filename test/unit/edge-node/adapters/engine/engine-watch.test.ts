import { describe, expect, it } from "@jest/globals";
import { EngineClient } from "../../../../../edge-node/adapters/engine/engine-client.ts";
import type { EngineLook } from "../../../../../edge-node/adapters/engine/engine-look.ts";
import { EngineWatch } from "../../../../../edge-node/adapters/engine/engine-watch.ts";
import { hostFailure } from "../../../../../edge-node/app/hosts/host-failure.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const client = new EngineClient({
  api: "openai",
  url: "http://127.0.0.1:1",
  keyFile: undefined,
  slots: undefined,
  metrics: undefined,
});

/** A watch whose looks are answered by what `next` says. */
async function watching(next: () => EngineLook | Error | Promise<EngineLook>, { chance = 0.5 } = {}) {
  const clock = new TestClock();
  const seen: (string | undefined)[] = [];
  let looks = 0;
  let ended = 0;
  const watch = new EngineWatch({
    client,
    api: "openai",
    clock,
    random: { ...seededRandom(1), next: () => chance },
    logger: silentLogger,
    look: async (_client, _api, signal) => {
      looks += 1;
      signal.addEventListener("abort", () => (ended += 1));
      const answer = next();
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  watch.onChange(() => seen.push(watch.whyNot("m")));
  watch.start();
  await clock.advance(0);
  return { watch, clock, seen, looks: () => looks, ended: () => ended };
}

const has = (...models: string[]): EngineLook => ({ models, slots: undefined, loads: new Map() });

describe("the watch over an engine", () => {
  it("says which models it has, and why one cannot be asked for", async () => {
    const { watch } = await watching(() => has("m"));
    expect([watch.models, watch.whyNot("m"), watch.whyNot("other")]).toEqual([
      ["m"],
      undefined,
      "the openai engine at 127.0.0.1:1 does not list the model other",
    ]);
    await watch.stop();
  });

  it("takes one look that fails for a hitch, and two for an engine that is away", async () => {
    let answer: EngineLook | Error = has("m");
    const { watch, clock, seen } = await watching(() => answer);
    answer = new Error("no connection");
    await clock.advance(5_000);
    expect(seen).toEqual([undefined]);
    await clock.advance(250);
    expect(seen).toEqual([undefined, "the openai engine at 127.0.0.1:1 is away: no connection"]);
    expect(watch.models).toEqual([]);
    answer = has("m");
    await clock.advance(1_000);
    expect(seen).toEqual([undefined, expect.any(String), undefined]);
    await watch.stop();
  });

  it("takes an engine that hangs for away within 13 s, and ends its questions", async () => {
    let answer: EngineLook | Promise<EngineLook> = has("m");
    const { watch, clock, ended } = await watching(() => answer, { chance: 1 });
    answer = new Promise<EngineLook>(() => undefined);
    for (let ms = 0; ms < 13_000; ms += 250) await clock.advance(250);
    expect(watch.whyNot("m")).toMatch(/is away: it did not answer within 3000 ms/);
    expect(ended()).toBeGreaterThanOrEqual(3);
    answer = has("m");
    await watch.stop();
  });

  it("says that the node is set up wrongly where it cannot ask, until it can", async () => {
    let answer: EngineLook | Error = hostFailure("ENGINE_CONFIG", "no key");
    const { watch, clock } = await watching(() => answer);
    expect([watch.failure, watch.whyNot("m")]).toEqual([
      "ENGINE_CONFIG",
      "the openai engine at 127.0.0.1:1 cannot be asked: no key",
    ]);
    answer = new Error("no connection");
    await clock.advance(1_000);
    expect(watch.failure).toBe("ENGINE_AWAY");
    answer = has("m");
    await clock.advance(1_000);
    expect(watch.whyNot("m")).toBeUndefined();
    await watch.stop();
  });

  it("looks at once when a request found it away", async () => {
    let answer: EngineLook | Error = has("m");
    const { watch, clock, looks } = await watching(() => answer);
    answer = new Error("gone");
    await clock.advance(1_000);
    watch.suspect();
    await clock.advance(1);
    expect(looks()).toBe(2);
    await clock.advance(251);
    expect(watch.whyNot("m")).toMatch(/away: gone/);
    await watch.stop();
  });

  it("looks four times a second at most, however many requests find it away", async () => {
    const { watch, clock, looks } = await watching(() => has("m"));
    for (let ms = 0; ms < 1_000; ms += 10) {
      watch.suspect();
      await clock.advance(10);
    }
    expect(looks()).toBeGreaterThan(3);
    expect(looks()).toBeLessThan(6);
    await watch.stop();
  });

  it("tells nothing while nothing changes", async () => {
    const { watch, clock, seen } = await watching(() => has("m"));
    await clock.advance(60_000);
    expect(seen).toEqual([undefined]);
    await watch.stop();
  });
});
