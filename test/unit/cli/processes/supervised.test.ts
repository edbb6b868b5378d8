import { beforeEach, describe, expect, it } from "@jest/globals";
import type { Ended, Program } from "../../../../cli/processes/child.ts";
import { Supervised } from "../../../../cli/processes/supervised.ts";
import { settle, TestClock } from "../../../support/test-clock.ts";

const program: Program = { name: "edge-a", script: "main.ts", env: {}, logFile: "edge-a.log" };

describe("a supervised program", () => {
  let clock: TestClock;
  let said: string[];
  let endings: ((ended: Ended) => void)[];
  let one: Supervised;

  beforeEach(() => {
    clock = new TestClock();
    said = [];
    endings = [];
    one = new Supervised(program, {
      clock,
      spawn: () => {
        const { promise, resolve } = Promise.withResolvers<Ended>();
        endings.push(resolve);
        const stop = async (): Promise<Ended> => {
          resolve({ how: "exit code 0", code: 0 });
          return promise;
        };
        return { pid: endings.length, ended: promise, stop, kill: () => void stop() };
      },
      report: (sentence) => said.push(sentence),
      onGivenUp: (what, { how }) => said.push(`given up: ${what.name}, ${how}`),
    });
    one.start();
  });

  async function die(afterMs: number): Promise<void> {
    await clock.advance(afterMs);
    endings.at(-1)?.({ how: "signal SIGKILL", code: null });
    await settle();
  }

  it("is started again two seconds after it died, and says so", async () => {
    await die(60_000);
    expect([one.state, endings.length]).toEqual(["waiting", 1]);
    await clock.advance(2000);
    expect([one.state, endings.length]).toEqual(["running", 2]);
    expect(said).toEqual(["edge-a ended (signal SIGKILL); starting it again in 2 s", "edge-a was started again"]);
  });

  it("is given up after five short lives in a row", async () => {
    for (let life = 0; life < 5; life += 1) {
      await die(100);
      await clock.advance(2000);
    }
    expect([one.state, endings.length]).toEqual(["givenUp", 5]);
    expect(said.slice(-2)).toEqual([
      "edge-a ended (signal SIGKILL) for the 5th time in a row; it is not started again",
      "given up: edge-a, signal SIGKILL",
    ]);
  });

  it("is given up at once when its settings are wrong", async () => {
    endings.at(-1)?.({ how: "exit code 78", code: 78 });
    await settle();
    expect([one.state, said[0]]).toEqual([
      "givenUp",
      "edge-a ended (exit code 78) because of its settings; it is not started again",
    ]);
  });

  it("counts anew after a long life", async () => {
    for (const livedMs of [100, 100, 100, 100, 30_000, 100, 100]) {
      await die(livedMs);
      await clock.advance(2000);
    }
    expect(one.state).toBe("running");
  });

  it("is not started again after it was stopped", async () => {
    await one.stop(1000);
    await clock.advance(10_000);
    expect([one.state, endings.length, said]).toEqual(["stopped", 1, []]);
  });

  it("is not started when it is stopped while it waits", async () => {
    await die(100);
    await one.stop(1000);
    await clock.advance(10_000);
    expect([one.state, endings.length]).toEqual(["stopped", 1]);
  });
});
