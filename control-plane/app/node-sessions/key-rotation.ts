import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { KeyRotate } from "../../../shared/protocol/messages/node-messages.ts";
import { keyRotationText } from "../../../shared/protocol/proofs.ts";
import type { Keys } from "../../ports/access/keys.ts";
import type { SessionStore } from "../../ports/nodes/nodes.ts";
import type { NodeSession, SessionRegistry } from "./node-session.ts";

/** From this age on a node is asked for another key, in ms. */
const DUE_MS = 45 * 86_400_000;
/** So long after a session knew it at the latest the key before it proves nothing more, in ms. */
const PREVIOUS_MS = 86_400_000;
/** Sessions may last for weeks: they are looked through this often, in ms. */
const LOOK_MS = 3_600_000;

interface Parts {
  readonly sessions: Pick<SessionStore, "rotateKey">;
  readonly registry: SessionRegistry;
  readonly keys: Pick<Keys, "verify">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Asks nodes whose key is older than 45 days for another one, and records it. Both keys sign it: who has only the old one
 * cannot name a key of somebody else, and who has only the new one is not the node. No key is recorded before it is due:
 * each is an entry of the audit log, and a node could fill that.
 */
export class KeyRotation {
  readonly #parts: Parts;
  /** When each session began, for the age of its key. */
  readonly #since = new WeakMap<NodeSession, number>();
  #cancel: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(LOOK_MS, () => {
      for (const session of this.#parts.registry.all()) {
        if (this.#sinceMs(session) >= PREVIOUS_MS) session.previousKeyEnded();
        this.#askIfDue(session);
      }
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }

  /** The session's node has heard `welcome`. */
  began(session: NodeSession): void {
    this.#since.set(session, this.#parts.clock.now());
    this.#askIfDue(session);
  }

  /** Answers `ok` when the key is recorded; `error` when the signatures do not hold, none is due, or it cannot be recorded now. */
  async rotate(session: NodeSession, { id, publicKey, sigOld, sigNew }: KeyRotate): Promise<void> {
    const { keys, sessions, clock, logger } = this.#parts;
    const { nodeId, identity, control, address, name } = session;
    const text = keyRotationText({ nodeId, generation: identity.generation, publicKey });
    const refuse = (code: string, detail: string): void => void control.send({ type: "error", re: id, code, detail });
    const isAgain = identity.publicKey === publicKey;
    const signers = isAgain ? [identity.publicKey, identity.previousKey ?? ""] : [identity.publicKey];
    if (!signers.some((key) => keys.verify(key, text, sigOld)) || !keys.verify(publicKey, text, sigNew))
      return refuse("UNAUTHENTICATED", "the signatures do not hold");
    if (!isAgain && !this.#isDue(session)) return refuse("CONFLICT", "no other key is due");
    try {
      const rotation = { nodeId, generation: identity.generation, from: identity.publicKey, to: publicKey, address };
      if (!isAgain && !(await sessions.rotateKey(rotation)))
        return refuse("CONFLICT", "the key of this node is another one by now");
    } catch (error) {
      logger.warn({ node: name, error: messageOf(error) }, "a node's new key could not be recorded");
      return refuse("DATABASE_UNAVAILABLE", "the key cannot be recorded now");
    }
    if (!isAgain) {
      session.keyRotated(publicKey);
      this.#since.set(session, clock.now());
    }
    control.send({ type: "ok", re: id });
  }

  #askIfDue(session: NodeSession): void {
    if (this.#isDue(session)) session.control.send({ type: "key.due" });
  }

  #isDue(session: NodeSession): boolean {
    return (session.identity.keyAgeMs ?? 0) + this.#sinceMs(session) >= DUE_MS;
  }

  /** Since the session began, or its key was recorded. */
  #sinceMs(session: NodeSession): number {
    const now = this.#parts.clock.now();
    return now - (this.#since.get(session) ?? now);
  }
}
