import { digestOf } from "../../../shared/base/digest.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { newId, type NodeId } from "../../../shared/base/ids.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { JoinResponse, PodJoinRequest } from "../../../shared/protocol/join-messages.ts";
import { podJoinProofText } from "../../../shared/protocol/proofs.ts";
import type { NewEvent } from "../../ports/events.ts";
import type { Requester } from "../../ports/access/audit.ts";
import type { Keys } from "../../ports/access/keys.ts";
import type { PodNodeStore } from "../../ports/nodes/nodes.ts";
import type { PodCluster, PodIdentity } from "../../ports/cloud/pods.ts";

/** Labels of a pod that say something about its node; the others are the cluster's business (hashes, tooling). */
const LABEL = /^skerry\.dev\/([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$/;

interface Parts {
  /** Undefined when no pods may join. */
  readonly pods: PodCluster | undefined;
  readonly store: PodNodeStore;
  readonly keys: Keys;
  readonly random: Random;
  readonly cpId: string;
  /** `ws://` or `wss://` URLs that nodes dial. */
  readonly urls: readonly string[];
  /** The site of a pod of this pool, by its label; undefined: it has none. */
  readonly siteOf: (pool: string | undefined) => Promise<string>;
  readonly recordEvent: (event: NewEvent) => void;
}

/** Makes a cloud node out of a pod that the cluster vouches for. One pod is one node. */
export class PodJoin {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Throws `JOIN_REFUSED`, `NAME_TAKEN`, `CLUSTER_UNAVAILABLE`. */
  async join(request: PodJoinRequest, from: Requester): Promise<JoinResponse> {
    const { pods, store, random, cpId, urls, siteOf, recordEvent } = this.#parts;
    if (!pods)
      throw new SkerryError("JOIN_REFUSED", "this control plane takes no pods: SKERRY_POD_SERVICE_ACCOUNTS is not set");
    const { name, publicKey } = request;
    const pod = this.#isProved(request) ? await pods.identify(request.podToken) : null;
    const labels = pod ? labelsOf(pod) : {};
    const site = await siteOf(labels["pool"]);
    const joined =
      pod?.name === name
        ? await store.joinPod({
            podUid: pod.uid,
            name,
            site,
            zone: pod.zone ?? site,
            labels,
            publicKey,
            newNodeId: newId<NodeId>("n", random),
            from,
          })
        : null;
    if (!joined)
      throw new SkerryError(
        "JOIN_REFUSED",
        "the pod's token is wrong, expired, made for another audience or service account, or its pod is a node already",
      );
    const { nodeId, generation, kind, zone } = joined;
    recordEvent({
      type: "Normal",
      reason: "NodeJoined",
      object: `node/${name}`,
      message: `pod ${name} joined as cloud node in zone ${zone}`,
    });
    return { nodeId, generation, cpId, kind, site, zone, urls: [...urls] };
  }

  #isProved({ podToken, publicKey, name, proof }: PodJoinRequest): boolean {
    const tokenHashHex = digestOf(podToken).slice("sha256:".length);
    return this.#parts.keys.verify(publicKey, podJoinProofText({ tokenHashHex, publicKey, name }), proof);
  }
}

/** `skerry.dev/pool: spot` becomes `pool: spot`, which a deployment's `where` can select. */
function labelsOf({ labels }: PodIdentity): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).flatMap(([name, value]) => {
      const [, own] = LABEL.exec(name) ?? [];
      return own === undefined ? [] : [[own, value]];
    }),
  );
}
