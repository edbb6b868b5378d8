import { createHash, timingSafeEqual } from "node:crypto";
import { SkerryError } from "../../../shared/base/errors.ts";
import { bearerOf } from "../../../shared/inference/http/message.ts";
import { type CallerRole, type CallerAccess, mayCall } from "../../core/caller-rights.ts";
import type { KnownCaller } from "../../ports/disk.ts";
import type { LocalNode } from "../../ports/serving.ts";
import type { LocalKeys } from "./local-keys.ts";

/** `sk_<id>_<secret>`, as the control plane makes them. */
const API_KEY = /^sk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

interface Parts {
  /** The node's own; undefined: it has none. */
  readonly keys: LocalKeys | undefined;
  /** The control plane's; undefined: they are not taken. */
  readonly apiKeys: { find(id: string): KnownCaller | "stale" | undefined } | undefined;
}

/** Who a key is. */
interface Caller {
  readonly role: CallerRole;
  /** Null: all. */
  readonly models: readonly string[] | null;
}

/** One of the file may do what an operator may. */
const OF_THE_FILE: Caller = { role: "operator", models: null };

/** Who may ask a node whose address asks for keys: callers with one of its own, or with an API key of its control plane. */
export class LocalCallers {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * The node as the caller may see it: a model outside the scope of its key is not there. Throws `UNAUTHENTICATED`, and
   * `FORBIDDEN` when the role of its key does not allow `access`.
   */
  async admit(authorization: string | undefined, access: CallerAccess, node: LocalNode): Promise<LocalNode> {
    const { role, models } = await this.#identify(authorization);
    if (!mayCall(role, access)) throw new SkerryError("FORBIDDEN", `a key with the role ${role} may not do this`);
    return models === null ? node : nodeWith(node, new Set(models));
  }

  async #identify(authorization: string | undefined): Promise<Caller> {
    const { keys, apiKeys } = this.#parts;
    const [, id, secret] = (apiKeys && API_KEY.exec(bearerOf(authorization) ?? "")) ?? [];
    const found = id === undefined ? undefined : apiKeys?.find(id);
    if (secret !== undefined && typeof found === "object" && isSecretOf(found, secret)) return found;
    if (keys !== undefined) {
      await keys.check(authorization);
      return OF_THE_FILE;
    }
    throw new SkerryError("UNAUTHENTICATED", whyNot(authorization, found));
  }
}

function isSecretOf({ hash }: KnownCaller, secret: string): boolean {
  return timingSafeEqual(Buffer.from(hash, "hex"), createHash("sha256").update(secret).digest());
}

function whyNot(authorization: string | undefined, found: KnownCaller | "stale" | undefined): string {
  if (bearerOf(authorization) === undefined) return "this node asks for a key: send Authorization: Bearer <key>";
  if (found === "stale") return "this node has been without its control plane for too long to take API keys";
  return "this node does not know that key";
}

/** The same node with no other models. */
const nodeWith = (node: LocalNode, models: ReadonlySet<string>): LocalNode => ({
  ...node,
  placements: () => node.placements().filter(({ model }) => models.has(model)),
});
