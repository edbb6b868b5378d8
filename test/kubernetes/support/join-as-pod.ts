import { generateKeyPairSync, sign } from "node:crypto";
import { digestOf } from "../../../shared/base/digest.ts";
import { podJoinProofText } from "../../../shared/protocol/proofs.ts";

/** What a program with this token and name, and a new key, is answered: 201, or the code of the refusal. */
export async function joinAsPod(
  url: string,
  { podToken, name }: { readonly podToken: string; readonly name: string },
): Promise<number | string> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const key = publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("base64url");
  const text = podJoinProofText({ tokenHashHex: digestOf(podToken).slice("sha256:".length), publicKey: key, name });
  const proof = sign(null, Buffer.from(text), privateKey).toString("base64url");
  const answer = await fetch(`${url}/api/v1/join/pod`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ podToken, name, publicKey: key, proof }),
  });
  return answer.status === 201 ? 201 : ((await answer.json()) as { code: string }).code;
}
