import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { keyRotationText } from "../../../shared/protocol/proofs.ts";
import type { ControlChannel } from "../../ports/channels.ts";
import type { NodeIdentity, RotatingKeys } from "../../ports/identity.ts";

interface Parts {
  readonly identity: Pick<NodeIdentity, "nodeId" | "generation" | "sign">;
  readonly keys: RotatingKeys;
  readonly logger: Logger;
}

/**
 * Replaces the node's key when the control plane says that it is due. Until its `ok` was heard both keys are kept: whether
 * the new one is recorded is not known, so a proof that is refused is tried with the other one. So is the key before: a
 * database that was restored from a backup may know that one alone, and it is due to be replaced there.
 */
export class KeyRotation {
  readonly #parts: Parts;
  /** The message that was sent last on the present channel. */
  #asked: { readonly channel: ControlChannel; readonly id: number } | undefined;
  /** What was begun last; its parts never reject. */
  #last: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** A session began: the control plane took the key that signs now. */
  began(channel: ControlChannel): Promise<void> {
    const { keys } = this.#parts;
    return this.#inTurn(async () => {
      if (keys.signsWithPrevious) await this.#returnToPrevious();
      if (!keys.hasNext) return;
      await (keys.signsWithNext ? this.#adopt() : this.#ask(channel));
    });
  }

  /** The key is old, or the answer to the message before was lost. */
  due(channel: ControlChannel): Promise<void> {
    return this.#inTurn(() => this.#ask(channel));
  }

  /** Messages come while files are written: two changes of keys at once left an identity that belongs to no key. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work);
    return this.#last;
  }

  async #ask(channel: ControlChannel): Promise<void> {
    const { identity, keys, logger } = this.#parts;
    try {
      const next = await keys.next();
      const { nodeId, generation } = identity;
      const text = keyRotationText({ nodeId, generation, publicKey: next.publicKey });
      const signatures = { sigOld: identity.sign(text), sigNew: next.sign(text) };
      const id = channel.send({ type: "key.rotate", publicKey: next.publicKey, ...signatures });
      this.#asked = { channel, id };
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "the node's next key could not be written; its key stays");
    }
  }

  /** An `ok` came on a channel. */
  async answered(channel: ControlChannel, re: number | undefined): Promise<void> {
    if (this.#asked?.channel !== channel || this.#asked.id !== re) return;
    this.#asked = undefined;
    await this.#inTurn(() => this.#adopt());
  }

  /** The control plane refused a session. True when another key may be the one that it knows. */
  refused(code: number): boolean {
    return code === CLOSE.BAD_PROOF && this.#parts.keys.signWithOther();
  }

  async #returnToPrevious(): Promise<void> {
    const { keys, logger } = this.#parts;
    try {
      await keys.returnToPrevious();
      logger.warn(
        {},
        "the control plane knows this node by the key before its present one, as after a restored backup",
      );
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "the node's key before could not be put back; it is tried again");
    }
  }

  async #adopt(): Promise<void> {
    const { keys, logger } = this.#parts;
    try {
      await keys.adoptNext();
      logger.info({}, "the node has another key now");
    } catch (error) {
      logger.warn(
        { error: messageOf(error) },
        "the node's new key is recorded and could not be put in place; it is tried again",
      );
    }
  }
}
