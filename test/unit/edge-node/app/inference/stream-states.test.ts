import { beforeEach, describe, expect, it } from "@jest/globals";
import { StreamStates } from "../../../../../edge-node/app/inference/stream-states.ts";
import { KeptStreams } from "../../../../../edge-node/core/kept-streams.ts";
import { Cancellation } from "../../../../../shared/flow/cancellation.ts";
import {
  decodeStreams,
  encodeStreams,
  type KeptStream,
  MAX_STREAM_BYTES_OF_NODE,
  MAX_STREAMS_OF_NODE,
} from "../../../../../shared/protocol/kept-streams.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (of: Uint8Array): string => new TextDecoder().decode(of);
const a = (key: string, kept = key, over: Partial<KeptStream> = {}): KeptStream => ({
  placementId: "p1",
  of: "sums:1",
  key,
  edgeOnly: false,
  bytes: bytes(kept),
  ...over,
});

let clock: TestClock;
let states: StreamStates;
let written: (readonly KeptStream[])[];
let onDisk: readonly KeptStream[];

beforeEach(() => {
  clock = new TestClock();
  written = [];
  onDisk = [];
  states = opened();
});

function opened(): StreamStates {
  const made = new StreamStates({
    file: {
      read: async () => onDisk,
      write: async (streams) => {
        onDisk = [...streams];
        written.push(onDisk);
      },
    },
    clock,
  });
  made.serves("p1", "sums:1");
  return made;
}

interface Asked {
  readonly alone?: true;
  readonly deadlineMs?: number;
  readonly cancellation?: Cancellation;
  readonly edgeOnly?: boolean;
}
/** Adds a letter to what is kept. */
const ask = (key: string, letter: string, { alone, deadlineMs = 1_000, cancellation, edgeOnly = false }: Asked = {}) =>
  states.inTurn(
    {
      placementId: "p1",
      stream: { key, ...(alone && { alone }) },
      edgeOnly,
      deadlineMs,
      cancellation: cancellation ?? new Cancellation(),
    },
    async (kept) => ({ kept: bytes(text(kept) + letter) }),
  );
const operate = async (operation: Parameters<StreamStates["operate"]>[1], body: Uint8Array = new Uint8Array()) =>
  states.operate({ placementId: "p1", deadlineMs: 1_000 }, operation, body);
const keptOf = async (key: string): Promise<string> => {
  const bundle = await operate({ op: "take", key });
  return (decodeStreams(bundle ?? new Uint8Array()) ?? []).map((stream) => text(stream.bytes)).join();
};

describe("what a node keeps of streams", () => {
  it("goes to the next request of the same stream, when the one before has ended", async () => {
    const gate = Promise.withResolvers<void>();
    const request = {
      placementId: "p1",
      stream: { key: "s", alone: true as const },
      edgeOnly: false,
      deadlineMs: 1_000,
    };
    const first = states.inTurn({ ...request, cancellation: new Cancellation() }, async () => {
      await gate.promise;
      return { kept: bytes("a") };
    });
    const second = ask("s", "b");
    expect(states.waitingFor({ placementId: "p1", stream: { key: "s" } })).toBe(1);
    await ask("other", "x", { alone: true });
    gate.resolve();
    await Promise.all([first, second]);
    expect(await keptOf("s")).toBe("ab");
  });

  it("stays as it was after a request without an answer", async () => {
    await ask("s", "a", { alone: true });
    const request = { placementId: "p1", stream: { key: "s" }, edgeOnly: false, deadlineMs: 1_000 };
    await states.inTurn({ ...request, cancellation: new Cancellation() }, async () => ({ kept: undefined }));
    const failing = states.inTurn({ ...request, cancellation: new Cancellation() }, () =>
      Promise.reject(new Error("the host is gone")),
    );
    await expect(failing).rejects.toThrow("the host is gone");
    expect(await keptOf("s")).toBe("a");
  });

  it("waits for no turn longer than the request may take, or its caller stays", async () => {
    const gate = Promise.withResolvers<void>();
    const request = {
      placementId: "p1",
      stream: { key: "s", alone: true as const },
      edgeOnly: false,
      deadlineMs: 9_000,
    };
    const first = states.inTurn({ ...request, cancellation: new Cancellation() }, async () => {
      await gate.promise;
      return { kept: bytes("a") };
    });
    const cancellation = new Cancellation();
    const late = ask("s", "b", { deadlineMs: 500 });
    const gone = ask("s", "c", { cancellation });
    cancellation.cancel();
    await clock.advance(500);
    expect(await Promise.all([late, gone])).toEqual(["late", "late"]);
    gate.resolve();
    await first;
    expect(await keptOf("s")).toBe("a");
  });

  it("is asked for elsewhere first, where another node may know the stream", async () => {
    expect(await ask("s", "a")).toBe("missing");
    await ask("s", "a", { alone: true });
    expect(await ask("s", "b")).not.toBe("missing");
    states.unconfirm();
    expect(await ask("s", "c")).toBe("missing");
    await ask("s", "c", { alone: true });
    expect(await keptOf("s")).toBe("abc");
  });

  it("is what another node brings, unless it is surely the newest here", async () => {
    await ask("s", "old", { alone: true });
    await operate({ op: "put" }, encodeStreams([a("s", "other"), a("new", "brought", { placementId: "p9" })]));
    expect(await keptOf("new")).toBe("brought");
    states.unconfirm();
    await operate({ op: "put" }, encodeStreams([a("s", "newer")]));
    expect(await keptOf("s")).toBe("newer");
  });

  it("is not taken from another version, nor from what is no bundle", async () => {
    await operate({ op: "put" }, encodeStreams([a("s", "x", { of: "sums:2" })]));
    expect(await keptOf("s")).toBe("");
    expect(await operate({ op: "put" }, bytes("nonsense"))).toBeUndefined();
    await ask("s", "a", { alone: true });
    states.serves("p1", "sums:2");
    expect(states.figures().streams).toBe(0);
  });

  it("goes to one node that takes it, and of the edge's alone to no cloud node", async () => {
    await ask("s", "a", { alone: true, edgeOnly: true });
    expect(await operate({ op: "take", key: "s", forCloud: true })).toEqual(new Uint8Array());
    expect(await keptOf("s")).toBe("a");
    expect(await keptOf("s")).toBe("");
  });

  it("stays at a placement that ends until it is elsewhere, and may be taken more than once till then", async () => {
    await ask("s", "a", { alone: true });
    const over = states.handOver("p1", Promise.resolve());
    expect(decodeStreams((await operate({ op: "all" })) ?? new Uint8Array())).toMatchObject([{ key: "s" }]);
    expect([await keptOf("s"), await keptOf("s")]).toEqual(["a", "a"]);
    await operate({ op: "release" });
    expect(await over).toBe(0);
    expect(states.figures().streams).toBe(0);
  });

  it("is said to have stayed when nobody took it within 5 s of the host's end", async () => {
    await ask("s", "a", { alone: true });
    const over = states.handOver("p1", Promise.resolve());
    await settle();
    await clock.advance(5_000);
    expect(await over).toBe(1);
    const kept = states.handOver("p1", Promise.resolve());
    await operate({ op: "keep" });
    expect(await kept).toBe(0);
    expect(states.figures().streams).toBe(1);
  });

  it("is written 2 s after a change at the latest, and is there after a start, to be confirmed", async () => {
    await ask("s", "a", { alone: true });
    await ask("s", "b");
    expect(written).toHaveLength(0);
    await clock.advance(2_000);
    expect(written.map((streams) => streams.map((stream) => text(stream.bytes)))).toEqual([["ab"]]);
    states = opened();
    await states.restore();
    expect(await ask("s", "c")).toBe("missing");
    await ask("s", "c", { alone: true });
    await states.stop();
    expect(onDisk.map((stream) => text(stream.bytes))).toEqual(["abc"]);
  });
});

describe("the bounds of what a node keeps", () => {
  it("let the stream go that was not used for longest, and count it", () => {
    const kept = new KeptStreams();
    const size = Math.floor(MAX_STREAM_BYTES_OF_NODE / 4);
    const large = (key: string): KeptStream => a(key, "", { bytes: new Uint8Array(size) });
    for (const key of ["a", "b", "c"]) kept.set(large(key), { isConfirmed: true });
    kept.set(large("a"), { isConfirmed: true });
    kept.set(large("d"), { isConfirmed: true });
    expect([...kept.all()].map(({ key }) => key)).toEqual(["c", "a", "d"]);
    expect(kept.evicted).toBe(1);
    for (let i = 0; i <= MAX_STREAMS_OF_NODE; i += 1) kept.set(a(`small-${i}`, "x"), { isConfirmed: true });
    expect(kept.size).toBeLessThanOrEqual(MAX_STREAMS_OF_NODE);
    expect(kept.bytes).toBeLessThanOrEqual(MAX_STREAM_BYTES_OF_NODE);
  });

  it("are those of a bundle: what is cut, or is none, is refused", () => {
    const bundle = encodeStreams([a("s", "kept", { edgeOnly: true }), a("t")]);
    expect(decodeStreams(bundle)).toEqual([a("s", "kept", { edgeOnly: true }), a("t")]);
    for (let length = 1; length < bundle.byteLength; length += 1) {
      const cut = decodeStreams(bundle.subarray(0, length));
      expect(cut === undefined || cut.length === 1).toBe(true);
    }
    expect(decodeStreams(new Uint8Array())).toEqual([]);
  });
});
