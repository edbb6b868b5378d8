import { beforeEach, describe, expect, it } from "@jest/globals";
import { CallerKeys } from "../../../../../control-plane/app/node-sessions/caller-keys.ts";
import type { GoodKey } from "../../../../../control-plane/ports/access/keys.ts";
import type { CallerKeysMessage } from "../../../../../shared/protocol/messages/caller-keys.ts";
import { controlPlaneMessage } from "../../../../../shared/protocol/messages/control-plane-messages.ts";
import { MAX_MESSAGE_BYTES } from "../../../../../shared/protocol/limits.ts";
import { aFleet, aNode, aPlacement } from "../../../../support/fleet/fleet-builder.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const node = aNode("edge-a");

const aKey = (id: string, over: Partial<GoodKey> = {}): GoodKey => ({
  id,
  role: "application",
  models: ["digits"],
  deployments: [],
  secretHash: "a".repeat(64),
  limits: { requestsPerMinute: null, concurrency: null, tokensPerMinute: null },
  expiresAt: null,
  expiresInMs: null,
  ...over,
});

let clock: TestClock;
let keys: GoodKey[];
let reads: number;
let fails: boolean;
let fleet: ReturnType<typeof aFleet>;
let sent: CallerKeysMessage[];
let callers: CallerKeys;
const session = {
  nodeId: node.id,
  control: { send: (message: CallerKeysMessage) => sent.push(message) },
} as never;

beforeEach(() => {
  clock = new TestClock();
  keys = [aKey("one")];
  [reads, fails, sent] = [0, false, []];
  fleet = aFleet({ nodes: [node], placements: [aPlacement(node)] });
  const store = {
    good: () => {
      reads += 1;
      return fails ? Promise.reject(new Error("away")) : Promise.resolve(keys);
    },
  };
  callers = new CallerKeys({ store, fleet: { snapshot: () => fleet }, clock, logger: silentLogger });
});

const ids = (): string[][] => sent.map((message) => message.keys.map(({ id }) => id));

describe("the API keys that a node gets", () => {
  it("come within a second after a change that is announced while the keys are read", async () => {
    let answer: (() => void) | undefined;
    const store = {
      good: async () => {
        reads += 1;
        const read = keys;
        if (reads === 2) await new Promise<void>((resolve) => (answer = resolve));
        return read;
      },
    };
    callers = new CallerKeys({ store, fleet: { snapshot: () => fleet }, clock, logger: silentLogger });
    callers.asked(session, undefined);
    await clock.advance(200);
    callers.changed();
    await clock.advance(200);
    keys = [];
    callers.changed();
    await clock.advance(200);
    answer?.();
    await clock.advance(0);
    await clock.advance(1_000);
    expect(ids()).toEqual([["one"], []]);
  });

  it("are those that may ask for what it holds, with what of that they may see", async () => {
    keys = [
      aKey("one"),
      aKey("two", { models: ["other"] }),
      aKey("three", { models: [], deployments: [{ name: "digits", model: "digits" }] }),
      aKey("four", { models: [], deployments: [{ name: "other", model: "digits" }] }),
      aKey("five", { role: "admin", models: [] }),
    ];
    callers.asked(session, undefined);
    await clock.advance(200);
    expect(sent[0]?.keys.map(({ id, models }) => [id, models])).toEqual([
      ["one", ["digits"]],
      ["three", ["digits"]],
      ["five", null],
    ]);
  });

  it("come with what each may have there, and again when that changes", async () => {
    callers.asked(session, undefined);
    await clock.advance(200);
    keys = [aKey("one", { limits: { requestsPerMinute: 60, concurrency: null, tokensPerMinute: 9 } })];
    callers.changed();
    await clock.advance(200);
    expect(sent.map((message) => message.keys[0]?.limits)).toEqual([
      undefined,
      { requestsPerMinute: 60, concurrency: null },
    ]);
  });

  it("do not include one for a deployment whose model another deployment has there too", async () => {
    const placements = [aPlacement(node), aPlacement(node, { id: "p-2" as never, deployment: "other" })];
    fleet = aFleet({ nodes: [node], placements });
    keys = [aKey("one", { models: [], deployments: [{ name: "digits", model: "digits" }] })];
    callers.asked(session, undefined);
    await clock.advance(200);
    expect(ids()).toEqual([[]]);
  });

  it("come again within a second of a change, and not while nothing changes", async () => {
    callers.asked(session, undefined);
    await clock.advance(20_000);
    expect(ids()).toEqual([["one"]]);
    keys = [];
    callers.changed();
    await clock.advance(999);
    expect(ids()).toEqual([["one"], []]);
  });

  it("come again within 5 s of a change whose notification was lost, and when its models change", async () => {
    callers.asked(session, undefined);
    await clock.advance(1_000);
    keys = [aKey("one"), aKey("two", { models: ["faces"] })];
    await clock.advance(5_200);
    expect(ids()).toEqual([["one"]]);
    fleet = aFleet({ nodes: [node], placements: [aPlacement(node, { model: "faces" })] });
    callers.placementsChanged(new Set([node.id]));
    await clock.advance(200);
    expect(ids()).toEqual([["one"], ["two"]]);
    keys = [];
    await clock.advance(5_200);
    expect(ids()).toEqual([["one"], ["two"], []]);
  });

  it("are confirmed by their name to a node that has just these", async () => {
    callers.asked(session, undefined);
    await clock.advance(200);
    callers.ended(session);
    callers.asked(session, sent[0]?.digest);
    await clock.advance(200);
    expect(sent[1]).toMatchObject({ digest: sent[0]?.digest, pages: 0, keys: [] });
  });

  it("are not read while no node asks, and sent as soon as they can be read", async () => {
    callers.changed();
    await clock.advance(20_000);
    expect(reads).toBe(0);
    fails = true;
    callers.asked(session, undefined);
    await clock.advance(1_000);
    expect(sent).toEqual([]);
    fails = false;
    await clock.advance(5_000);
    expect(ids()).toEqual([["one"]]);
    callers.ended(session);
    const before = reads;
    await clock.advance(20_000);
    expect(reads).toBe(before);
  });

  it("are found once in a look for all nodes that hold the same", async () => {
    let looks = 0;
    const watched = (): GoodKey =>
      Object.defineProperty(aKey("one"), "models", { get: () => ((looks += 1), ["digits"]), enumerable: true });
    const others = ["edge-b", "edge-c", "edge-d"].map((name) => aNode(name));
    const faces = aNode("edge-f");
    fleet = aFleet({
      nodes: [node, ...others, faces],
      placements: [
        ...[node, ...others].map((each) => aPlacement(each)),
        aPlacement(faces, { id: "p-f" as never, model: "faces" }),
      ],
    });
    const sessionOf = ({ id }: { readonly id: string }): never =>
      ({ nodeId: id, control: { send: (message: CallerKeysMessage) => sent.push(message) } }) as never;
    keys = [watched()];
    callers.asked(session, undefined);
    await clock.advance(200);
    const ofOne = looks;
    for (const each of others) callers.asked(sessionOf(each), undefined);
    callers.asked(sessionOf(faces), undefined);
    callers.changed();
    await clock.advance(200);
    expect(looks).toBe(3 * ofOne);
    expect(ids()).toEqual([["one"], ["one"], ["one"], ["one"], []]);
  });

  it("are the same for a node when a key gets older, and others when it ends sooner", async () => {
    keys = [aKey("one", { expiresAt: 9_000, expiresInMs: 8_000 })];
    callers.asked(session, undefined);
    await clock.advance(200);
    keys = [aKey("one", { expiresAt: 9_000, expiresInMs: 3_000 })];
    callers.changed();
    await clock.advance(200);
    expect(ids()).toEqual([["one"]]);
    keys = [aKey("one", { expiresAt: 8_000, expiresInMs: 2_000 })];
    callers.changed();
    await clock.advance(200);
    expect(ids()).toEqual([["one"], ["one"]]);
  });

  it("come in messages that each fit, however many and long they are", async () => {
    const placements = Array.from({ length: 64 }, (_, index) =>
      aPlacement(node, { id: `p-${index}` as never, model: `m${String(index).padStart(62, "0")}` }),
    );
    fleet = aFleet({ nodes: [node], placements });
    const models = placements.map(({ model }) => model);
    keys = Array.from({ length: 500 }, (_, index) => aKey(String(index).padStart(12, "0"), { models }));
    callers.asked(session, undefined);
    await clock.advance(200);
    for (const message of sent) {
      const whole = { ...message, id: 1e9, epoch: 1e9 };
      expect(controlPlaneMessage.safeParse(whole).error).toBeUndefined();
      expect(Buffer.byteLength(JSON.stringify(whole))).toBeLessThan(MAX_MESSAGE_BYTES);
    }
    expect(sent.map(({ page }) => page)).toEqual(sent.map((_, index) => index));
    expect(ids().flat()).toHaveLength(500);
  });
});
