import type { JoinTokenInfo, JoinTokenRequest, ReplaceNode } from "../../../shared/api/v1/nodes/nodes.ts";
import { invalidFields } from "../../../shared/base/invalid-fields.ts";
import { formatJoinToken } from "../../../shared/protocol/proofs.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { Keys } from "../../ports/access/keys.ts";
import type { NodeAdminStore } from "../../ports/nodes/nodes.ts";
import { secretHash } from "../access/secrets.ts";

/** What a joining device checks the control plane by, before it sends anything. `none` is for loopback and dev mode only. */
export interface JoinTrust {
  /** SHA-256 of the SPKI of a certificate in the chain, base64url. */
  readonly pin: string;
  /** SHA-256 of the key set document, base64url. */
  readonly keySetHash: string;
}

/** Join tokens: one use unless more were asked for, a short life, and only a hash of the secret is stored. */
export class TokenAdmin {
  readonly #store: NodeAdminStore;
  readonly #keys: Pick<Keys, "secret">;
  readonly #random: Random;
  readonly #trust: JoinTrust;
  readonly #publicUrl: string;

  constructor(parts: {
    store: NodeAdminStore;
    keys: Pick<Keys, "secret">;
    random: Random;
    trust: JoinTrust;
    publicUrl: string;
  }) {
    this.#store = parts.store;
    this.#keys = parts.keys;
    this.#random = parts.random;
    this.#trust = parts.trust;
    this.#publicUrl = parts.publicUrl;
  }

  /** The token is in this answer and nowhere else. Without a zone, the site is the zone. */
  async create(
    request: JoinTokenRequest,
    actor: Actor,
  ): Promise<JoinTokenInfo & { token: string; joinCommand: string }> {
    if (request.name !== undefined && request.uses > 1)
      throw invalidFields("body", [{ field: "uses", message: "a token for one name is for one node" }]);
    const { id, secret } = this.#newToken();
    const { kind, site, zone = site, name, labels, ttlSeconds, uses, needsApproval } = request;
    const info = await this.#store.createToken(
      { id, secretHash: secretHash(secret), kind, site, zone, name, labels, ttlSeconds, uses, needsApproval },
      actor,
    );
    return this.#shown(info, secret);
  }

  /**
   * A token for the machine that takes the place of the node `name`, whose key is void when it is used. Throws `NOT_FOUND`,
   * and `CONFLICT` when the node waits for an approval or is a pod.
   */
  async replace(
    name: string,
    { why, ttlSeconds }: ReplaceNode,
    actor: Actor,
  ): Promise<JoinTokenInfo & { token: string; joinCommand: string }> {
    const { id, secret } = this.#newToken();
    const made = { id, secretHash: secretHash(secret), ttlSeconds };
    return this.#shown(await this.#store.createReplaceToken(name, made, { actor, why }), secret);
  }

  #newToken(): { readonly id: string; readonly secret: string } {
    return { id: Buffer.from(this.#random.bytes(12)).toString("base64url"), secret: this.#keys.secret() };
  }

  #shown(info: JoinTokenInfo, secret: string): JoinTokenInfo & { token: string; joinCommand: string } {
    const token = formatJoinToken({ ...this.#trust, id: info.id, secret });
    return { ...info, token, joinCommand: `echo ${token} | npm run -s skerry -- join - --server ${this.#publicUrl}` };
  }

  list(): Promise<readonly JoinTokenInfo[]> {
    return this.#store.listTokens();
  }

  /** Throws `NOT_FOUND`. */
  delete(id: string, actor: Actor): Promise<void> {
    return this.#store.deleteToken(id, actor);
  }
}
