import { fullJitter, RECONNECT } from "../../../shared/flow/backoff.ts";
import { sleep, type Clock } from "../../../shared/base/clock.ts";
import { digestOf } from "../../../shared/base/digest.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { JoinRequest, PodJoinRequest } from "../../../shared/protocol/join-messages.ts";
import { joinProofText, type JoinToken, podJoinProofText } from "../../../shared/protocol/proofs.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { IdentityStore, JoinClient, NodeIdentity, NodeKey } from "../../ports/identity.ts";

interface JoinParts {
  readonly store: IdentityStore;
  readonly client: JoinClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What lets this machine in: an operator's token, or the token that Kubernetes gives to a pod and renews. */
export type Admission =
  | { readonly kind: "token"; readonly token: JoinToken }
  /** `read` gives the newest token; it rejects when there is none. */
  | { readonly kind: "pod"; readonly read: () => Promise<string>; readonly pin: string };

/**
 * Makes this machine a node: proves that it holds its key and the token's secret, and stores what comes back. The key
 * is on the disk before the first attempt, so a join whose answer was lost is repeated and gives the same identity.
 * Retries without a limit while the control plane is unavailable. Throws `SkerryError` JOIN_REFUSED, NAME_TAKEN or
 * INVALID_REQUEST when it said no.
 */
export async function join(
  request: { readonly admission: Admission; readonly name: string; readonly kind: "edge" | "cloud" },
  parts: JoinParts,
  signal: AbortSignal,
): Promise<NodeIdentity> {
  const { store, client, clock, random, logger } = parts;
  const { admission, name } = request;
  const key = await store.joinKey();
  const pin = admission.kind === "token" ? admission.token.pin : admission.pin;
  let told: string | undefined;
  for (let attempt = 0; ; attempt += 1) {
    const answer = await client.join(await requestOf(request, key), signal);
    switch (answer.kind) {
      case "joined": {
        const tokenId = admission.kind === "token" ? admission.token.id : undefined;
        const identity = await store.store(answer.response, { name, pin, tokenId });
        logger.info({ nodeId: identity.nodeId, name, site: identity.site }, "joined");
        return identity;
      }
      case "refused":
        throw refusal(answer, name);
      case "unavailable": {
        if (answer.detail !== told) logger.warn({ why: answer.detail }, "cannot join yet; trying again");
        told = answer.detail;
        await sleep(clock, answer.retryAfterMs + fullJitter(RECONNECT, attempt, random), signal);
      }
    }
  }
}

async function requestOf(
  { admission, name, kind }: Parameters<typeof join>[0],
  { publicKey, sign }: NodeKey,
): Promise<JoinRequest | PodJoinRequest> {
  if (admission.kind === "pod") {
    const podToken = (await admission.read()).trim();
    const proof = sign(podJoinProofText({ tokenHashHex: hashHex(podToken), publicKey, name }));
    return { podToken, name, publicKey, proof };
  }
  const { id: tokenId, secret } = admission.token;
  const proof = sign(joinProofText({ tokenId, secretHashHex: hashHex(secret), publicKey, name }));
  return { tokenId, secret, name, kind, publicKey, proof };
}

const hashHex = (text: string): string => digestOf(text).slice("sha256:".length);

function refusal({ code, detail }: { readonly code: string; readonly detail: string }, name: string): SkerryError {
  switch (code) {
    case "JOIN_REFUSED":
      return new SkerryError("JOIN_REFUSED", `the control plane refused the token of node ${name}: ${detail}`);
    case "NAME_TAKEN":
      return new SkerryError("NAME_TAKEN", `there is a node named ${name} already: ${detail}`);
    default:
      return new SkerryError(
        "INVALID_REQUEST",
        `the control plane refused the join of node ${name}: ${code} ${detail}`,
      );
  }
}
