import { describe, expect, it } from "@jest/globals";
import { keyPair, keys as ed25519 } from "../../../../../control-plane/adapters/system/ed25519.ts";
import { raisedFloors, type TrustedKeys, whyNotTrusted } from "../../../../../edge-node/core/placements/trust.ts";
import { digestOf } from "../../../../../shared/base/digest.ts";
import { releaseText } from "../../../../../shared/protocol/model-files/release.ts";

const [ours, theirs] = [keyPair(), keyPair()];
const keys: TrustedKeys = {
  publicKeys: new Set([ours.publicKey]),
  verify: (...signed) => ed25519.verify(...signed),
};

function aVersion(counter: number, { model = "digits", floor = 0, signer = ours } = {}) {
  const of = { model, version: String(counter), artifact: digestOf(`${model} ${counter}`), counter, floor };
  const { publicKey } = signer;
  return { ...of, release: { counter, floor, publicKey, signature: signer.sign(releaseText(of)) } };
}

describe("the oldest release that a node takes", () => {
  it("rises with what serves, for its model alone, and never falls", () => {
    const floors = raisedFloors({}, [aVersion(5, { floor: 4 }), aVersion(3, { floor: 2 })], keys);
    expect(floors).toEqual({ digits: 4 });
    expect(raisedFloors(floors, [aVersion(6, { floor: 1 })], keys)).toBe(floors);
    expect(whyNotTrusted(aVersion(3), { keys, floors })).toMatch(/^release 3 of digits was withdrawn/);
    expect(whyNotTrusted(aVersion(4), { keys, floors })).toBeUndefined();
    expect(whyNotTrusted(aVersion(3, { model: "faces" }), { keys, floors })).toBeUndefined();
  });

  it("does not rise by a release that is not trusted", () => {
    expect(raisedFloors({}, [aVersion(9, { floor: 9, signer: theirs })], keys)).toEqual({});
  });

  it("holds for a model with the name of a property of every object", () => {
    const model = "constructor";
    const floors = raisedFloors({ digits: 1 }, [aVersion(7, { model, floor: 7 })], keys);
    expect(whyNotTrusted(aVersion(6, { model }), { keys, floors })).toMatch(/was withdrawn/);
  });
});
