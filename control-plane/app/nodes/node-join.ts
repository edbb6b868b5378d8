import { digestOf } from "../../../shared/base/digest.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { newId, type NodeId } from "../../../shared/base/ids.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { JoinRequest, JoinResponse } from "../../../shared/protocol/join-messages.ts";
import { joinProofText } from "../../../shared/protocol/proofs.ts";
import type { NewEvent } from "../../ports/events.ts";
import type { Requester } from "../../ports/access/audit.ts";
import type { Keys } from "../../ports/access/keys.ts";
import type { SessionStore } from "../../ports/nodes/nodes.ts";

interface Parts {
  readonly sessions: SessionStore;
  readonly keys: Keys;
  readonly random: Random;
  readonly cpId: string;
  /** `ws://` or `wss://` URLs that nodes dial. */
  readonly urls: readonly string[];
  readonly recordEvent: (event: NewEvent) => void;
}

/** Makes a node out of a join token and a proof that the joiner holds its key. */
export class NodeJoin {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** All faults of the token and the proof look alike: `JOIN_REFUSED`. With a valid token: `NAME_TAKEN`, `TOO_MANY_WAITING`. */
  async join(request: JoinRequest, from: Requester): Promise<JoinResponse> {
    const { sessions, keys, random, cpId, urls, recordEvent } = this.#parts;
    const { tokenId, name, kind, publicKey, proof } = request;
    const secretHash = digestOf(request.secret).slice("sha256:".length);
    const text = joinProofText({ tokenId, secretHashHex: secretHash, publicKey, name });
    const joined = keys.verify(publicKey, text, proof)
      ? await sessions.join({ tokenId, secretHash, name, kind, publicKey, newNodeId: newId<NodeId>("n", random), from })
      : null;
    if (!joined)
      throw new SkerryError("JOIN_REFUSED", "the join token is wrong, used, expired, or made for another node");
    const joinedAs = `${name} joined as ${joined.kind} node at site ${joined.site}`;
    const object = `node/${name}`;
    if (joined.isReplacement === true)
      recordEvent({
        type: "Warning",
        reason: "NodeReplaced",
        object,
        message: `another machine, at ${from.address}, has taken the place of ${name}: the key of the one before is void`,
      });
    recordEvent(
      joined.isWaiting === true
        ? {
            type: "Warning",
            reason: "NodeWaiting",
            object,
            message: `${joinedAs} from ${from.address} and waits for an approval; its key is ${publicKey}`,
          }
        : { type: "Normal", reason: "NodeJoined", object, message: joinedAs },
    );
    return {
      nodeId: joined.nodeId,
      generation: joined.generation,
      cpId,
      kind: joined.kind,
      site: joined.site,
      zone: joined.zone,
      urls: [...urls],
    };
  }
}
