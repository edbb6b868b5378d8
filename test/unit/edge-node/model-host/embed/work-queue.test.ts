import { describe, expect, it } from "@jest/globals";
import { WorkQueue } from "../../../../../edge-node/model-host/embed/work-queue.ts";

const text = (length: number): readonly number[] => Array.from({ length }, () => 1);
const WIDE = { texts: 4, tokens: 64 };

/** Each run as `owner:length` of its texts. */
function runsOf(queue: WorkQueue<string>, limits: (owner: string) => typeof WIDE = () => WIDE): readonly string[] {
  const runs: string[] = [];
  while (!queue.isEmpty)
    runs.push(
      queue
        .take(limits)
        .map(({ owner, tokens }) => `${owner}:${tokens.length}`)
        .join(" "),
    );
  return runs;
}

function queueOf(requests: Readonly<Record<string, readonly number[]>>): WorkQueue<string> {
  const queue = new WorkQueue<string>();
  for (const [owner, lengths] of Object.entries(requests)) queue.add(owner, lengths.map(text));
  return queue;
}

describe("WorkQueue", () => {
  it("puts texts that are about as long into one run, whosever they are", () => {
    const queue = queueOf({ a: [10, 60], b: [12], c: [50] });
    expect(runsOf(queue)).toEqual(["a:60", "b:12 a:10", "c:50"]);
  });

  it("takes no more texts and no more tokens than a run may have", () => {
    expect(runsOf(queueOf({ a: [5, 5, 5, 5, 5, 5] }))).toEqual(["a:5 a:5 a:5 a:5", "a:5 a:5"]);
    expect(runsOf(queueOf({ a: [30, 30, 30] }))).toEqual(["a:30 a:30", "a:30"]);
  });

  it("runs a text alone that has more tokens than a run may have", () => {
    expect(runsOf(queueOf({ a: [200], b: [199] }))).toEqual(["a:200", "b:199"]);
  });

  it("lets a short request wait for one run of a long one", () => {
    const queue = queueOf({ long: Array.from({ length: 40 }, () => 60), short: [3] });
    const runs = runsOf(queue);
    expect(runs.indexOf("short:3")).toBe(1);
    expect(runs).toHaveLength(41);
  });

  it("keeps the places of texts in their request", () => {
    const queue = queueOf({ a: [3, 9, 6] });
    expect(queue.take(() => WIDE).map(({ index }) => index)).toEqual([1, 2, 0]);
  });

  it("runs each text alone where none may share a run", () => {
    const queue = queueOf({ a: [5, 5], b: [5] });
    expect(runsOf(queue, () => ({ texts: 1, tokens: 64 }))).toEqual(["a:5", "b:5", "a:5"]);
  });

  it("adds no text of a request that runs alone to another's run", () => {
    const queue = queueOf({ a: [5], b: [5], c: [5] });
    expect(runsOf(queue, (owner) => ({ ...WIDE, texts: owner === "b" ? 1 : 4 }))).toEqual(["a:5 c:5", "b:5"]);
  });

  it("runs nothing of a request that was dropped", () => {
    const queue = queueOf({ a: [5, 6], b: [7] });
    queue.drop("a");
    expect(runsOf(queue)).toEqual(["b:7"]);
  });
});
