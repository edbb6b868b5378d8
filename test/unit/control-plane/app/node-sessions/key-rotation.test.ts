import { beforeEach, describe, expect, it } from "@jest/globals";
import { keyPair, keys } from "../../../../../control-plane/adapters/system/ed25519.ts";
import { KeyRotation } from "../../../../../control-plane/app/node-sessions/key-rotation.ts";
import type { NodeSession } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import { keyRotationText } from "../../../../../shared/protocol/proofs.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const DAY_MS = 86_400_000;
const [first, second, stranger] = [keyPair(), keyPair(), keyPair()];
let clock: TestClock;
let rotation: KeyRotation;
let said: object[];
let recorded: { from: string; to: string }[];
let isRecorded: boolean;
let session: NodeSession;
/** Of the node's key when its session begins. */
let keyAgeMs: number;

beforeEach(() => {
  keyAgeMs = 45 * DAY_MS;
  clock = new TestClock();
  said = [];
  recorded = [];
  isRecorded = true;
  let identity = { publicKey: first.publicKey, previousKey: null as string | null, generation: 3 };
  session = {
    nodeId: "n-1",
    name: "edge-a",
    address: "10.0.0.7:5",
    control: { send: (message: object) => said.push(message) },
    get identity() {
      return { ...identity, keyAgeMs };
    },
    keyRotated(publicKey: string) {
      identity = { ...identity, publicKey, previousKey: identity.publicKey };
      keyAgeMs = 0;
    },
    previousKeyEnded: () => (identity = { ...identity, previousKey: null }),
  } as never;
  rotation = new KeyRotation({
    sessions: {
      rotateKey: ({ from, to }) => {
        recorded.push({ from, to });
        return Promise.resolve(isRecorded);
      },
    },
    registry: { all: () => [session] } as never,
    keys,
    clock,
    logger: silentLogger,
  });
});

const aMessage = (next = second, signer = first, over: { generation?: number } = {}) => {
  const text = keyRotationText({ nodeId: "n-1", generation: 3, publicKey: next.publicKey, ...over });
  return {
    type: "key.rotate",
    id: 9,
    publicKey: next.publicKey,
    sigOld: signer.sign(text),
    sigNew: next.sign(text),
  } as const;
};

describe("the rotation of a node's key", () => {
  it("is asked for when the key is 45 days old, also within a session", async () => {
    keyAgeMs = 0;
    rotation.start();
    rotation.began(session);
    await clock.advance(44 * DAY_MS);
    expect(said).toEqual([]);
    await clock.advance(DAY_MS);
    expect(said).toContainEqual({ type: "key.due" });
    rotation.stop();
  });

  it("records a key that both keys signed, and asks for no other", async () => {
    await rotation.rotate(session, aMessage());
    expect(recorded).toEqual([{ from: first.publicKey, to: second.publicKey }]);
    expect(said).toEqual([{ type: "ok", re: 9 }]);
    expect(session.identity).toMatchObject({ publicKey: second.publicKey, previousKey: first.publicKey });
  });

  it("answers the same message again without another record, because its answer may have been lost", async () => {
    await rotation.rotate(session, aMessage());
    await rotation.rotate(session, aMessage());
    expect(recorded).toHaveLength(1);
    expect(said).toEqual([
      { type: "ok", re: 9 },
      { type: "ok", re: 9 },
    ]);
  });

  it.each([
    ["another key than the node's signed", () => aMessage(second, stranger)],
    ["the new key did not sign", () => ({ ...aMessage(), sigNew: aMessage(stranger).sigNew })],
    ["signatures of another generation have", () => aMessage(second, first, { generation: 2 })],
  ])("is refused when %s", async (_, message) => {
    await rotation.rotate(session, message());
    expect(recorded).toEqual([]);
    expect(said).toEqual([{ type: "error", re: 9, code: "UNAUTHENTICATED", detail: "the signatures do not hold" }]);
  });

  it("is refused when the node has another key by now", async () => {
    isRecorded = false;
    await rotation.rotate(session, aMessage());
    expect(said).toMatchObject([{ type: "error", re: 9, code: "CONFLICT" }]);
    expect(session.identity.publicKey).toBe(first.publicKey);
  });

  it("is refused before it is due, so that no node fills the audit log", async () => {
    await rotation.rotate(session, aMessage());
    await rotation.rotate(session, aMessage(stranger, second));
    expect(recorded).toHaveLength(1);
    expect(said.at(-1)).toMatchObject({ type: "error", re: 9, code: "CONFLICT", detail: "no other key is due" });
    expect(session.identity.publicKey).toBe(second.publicKey);
  });

  it("ends the key before after a day, also within a session", async () => {
    rotation.start();
    rotation.began(session);
    await rotation.rotate(session, aMessage());
    await clock.advance(DAY_MS - 3_600_000);
    expect(session.identity.previousKey).toBe(first.publicKey);
    await clock.advance(3_600_000);
    expect(session.identity.previousKey).toBeNull();
    rotation.stop();
  });
});
