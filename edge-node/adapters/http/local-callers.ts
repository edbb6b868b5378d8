import { createHash, timingSafeEqual } from "node:crypto";
import { SkerryError } from "../../../shared/base/errors.ts";
import { bearerOf } from "../../../shared/inference/http/message.ts";
import type { CallerLimitsOfKey } from "../../../shared/protocol/messages/caller-keys.ts";
import { type CallerRole, type CallerAccess, mayCall } from "../../core/caller-rights.ts";
import type { KnownCaller } from "../../ports/disk.ts";
import type { LocalNode } from "../../ports/serving.ts";
import type { CallerLimits } from "./caller-limits.ts";
import type { LocalKeys } from "./local-keys.ts";

/** `sk_<id>_<secret>`, as the control plane makes them. */
const API_KEY = /^sk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

interface Parts {
  /** The node's own; undefined: it has none. */
  readonly keys: LocalKeys | undefined;
  /** The control plane's; undefined: they are not taken. */
  readonly apiKeys: { find(id: string): KnownCaller | "stale" | undefined } | undefined;
  readonly limits: CallerLimits;
}

/** What a request says of its caller. */
interface Asking {
  readonly authorization: string | undefined;
  readonly address: string;
}

export interface Admitted {
  /** As the caller may see it. */
  readonly node: LocalNode;
  /** To be called once, when the request is over. */
  readonly leave: () => void;
}

/** Who a key is. */
interface Caller {
  /** By which its limits are counted. */
  readonly id: string;
  readonly limits: CallerLimitsOfKey;
  readonly role: CallerRole;
  /** Null: all. */
  readonly models: readonly string[] | null;
}

/** One of the file may do what an operator may. */
const OF_THE_FILE = { role: "operator", models: null } as const;
const NO_LIMITS: CallerLimitsOfKey = { requestsPerMinute: null, concurrency: null };

/** Who may ask a node whose address asks for keys: callers with one of its own, or with an API key of its control plane. */
export class LocalCallers {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * The node as the caller may see it: a model outside the scope of its key is not there. Throws `UNAUTHENTICATED`,
   * `FORBIDDEN` when the role of its key does not allow `access`, and `RATE_LIMITED`.
   */
  async admit(asking: Asking, access: CallerAccess, node: LocalNode): Promise<Admitted> {
    const { id, role, models, limits: ofKey } = await this.#identify(asking);
    const { limits } = this.#parts;
    limits.takeRequest(id, ofKey);
    if (!mayCall(role, access)) throw new SkerryError("FORBIDDEN", `a key with the role ${role} may not do this`);
    const leave = access === "invoke" ? limits.enter(id, ofKey) : () => undefined;
    return { node: models === null ? node : nodeWith(node, new Set(models)), leave };
  }

  async #identify({ authorization, address }: Asking): Promise<Caller> {
    const key = bearerOf(authorization);
    if (key === undefined)
      throw new SkerryError("UNAUTHENTICATED", "this node asks for a key: send Authorization: Bearer <key>");
    const { limits } = this.#parts;
    const digest = createHash("sha256").update(key).digest("base64url");
    limits.beforeCheck(address, digest);
    const found = await this.#find(key);
    if (!("refusal" in found)) {
      limits.passed(digest);
      return { id: digest, ...found };
    }
    throw limits.failed(address, new SkerryError("UNAUTHENTICATED", found.refusal));
  }

  async #find(key: string): Promise<Omit<Caller, "id"> | { readonly refusal: string }> {
    const { keys, apiKeys } = this.#parts;
    const [, id, secret] = (apiKeys && API_KEY.exec(key)) ?? [];
    const found = id === undefined ? undefined : apiKeys?.find(id);
    if (secret !== undefined && typeof found === "object" && isSecretOf(found, secret)) {
      const { role, models, limits = NO_LIMITS } = found;
      return { role, models, limits };
    }
    if (keys !== undefined && (await keys.has(key))) return { ...OF_THE_FILE, limits: NO_LIMITS };
    if (found === "stale" && keys === undefined)
      return { refusal: "this node has been without its control plane for too long to take API keys" };
    return { refusal: "this node does not know that key" };
  }
}

function isSecretOf({ hash }: KnownCaller, secret: string): boolean {
  return timingSafeEqual(Buffer.from(hash, "hex"), createHash("sha256").update(secret).digest());
}

/** The same node with no other models. */
const nodeWith = (node: LocalNode, models: ReadonlySet<string>): LocalNode => ({
  ...node,
  placements: () => node.placements().filter(({ model }) => models.has(model)),
});
