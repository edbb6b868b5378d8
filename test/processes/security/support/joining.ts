import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { digestOf } from "../../../../shared/base/digest.ts";
import type { JoinRequest } from "../../../../shared/protocol/join-messages.ts";
import { joinProofText, parseJoinToken } from "../../../../shared/protocol/proofs.ts";
import type { AttackedControlPlane } from "./attacked-control-plane.ts";

interface Key {
  readonly privateKey: KeyObject;
  readonly publicKey: string;
}

export function makeKey(): Key {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { privateKey, publicKey: publicKey.export({ format: "jwk" }).x ?? "" };
}

/** A token of this control plane, as its parts. */
export async function makeToken(at: AttackedControlPlane, name: string): Promise<{ id: string; secret: string }> {
  const { token } = await at.post<{ token: string }>("/join-tokens", { kind: "edge", site: "north", name });
  const parsed = parseJoinToken(token);
  if (!parsed) throw new Error("the control plane made a token that is none");
  return parsed;
}

/** The body of `POST /api/v1/join`, as a node sends it. `signer`: whose key signs the proof. */
export function joinBody(
  { id: tokenId, secret }: { readonly id: string; readonly secret: string },
  name: string,
  { key = makeKey(), signer = key }: { readonly key?: Key; readonly signer?: Key } = {},
): JoinRequest {
  const { publicKey } = key;
  const secretHashHex = digestOf(secret).slice("sha256:".length);
  const text = Buffer.from(joinProofText({ tokenId, secretHashHex, publicKey, name }));
  const proof = sign(null, text, signer.privateKey).toString("base64url");
  return { tokenId, secret, name, kind: "edge", publicKey, proof };
}
