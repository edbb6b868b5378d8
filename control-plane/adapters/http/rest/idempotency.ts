import { canonicalJson, digestOf } from "../../../../shared/base/digest.ts";
import { messageOf, SkerryError } from "../../../../shared/base/errors.ts";
import type { Logger } from "../../../../shared/base/logging/logger.ts";
import type { IdempotencyStore } from "../../../ports/idempotency.ts";
import { invalidFields } from "../../../../shared/base/invalid-fields.ts";
import type { RouteResponse } from "../server/route.ts";

interface KeyedRequest {
  readonly keyId: string;
  /** The `Idempotency-Key` header. */
  readonly key: string;
  /** Whatever makes the request this one: method, path, query, body. */
  readonly request: readonly unknown[];
  /** Its answer carries a secret, which no table may hold. */
  readonly answersSecret: boolean;
}

/**
 * Does the work once for each Idempotency-Key and answers a repetition with the first answer. A failed attempt frees
 * the key. Throws `IDEMPOTENCY_MISMATCH`, and `CONFLICT` while the first is under way.
 */
export async function once(
  keyed: KeyedRequest,
  work: () => Promise<RouteResponse<unknown>>,
  { store, logger, usualStatus }: { store: IdempotencyStore; logger: Logger; usualStatus: number },
): Promise<RouteResponse<unknown>> {
  const { keyId, key } = keyed;
  if (!/^[\x21-\x7e]{1,200}$/.test(key)) {
    throw invalidFields("header", [{ field: "Idempotency-Key", message: "must be 1–200 visible ASCII characters" }]);
  }
  const claim = await store.begin(keyId, key, digestOf(canonicalJson(keyed.request)));
  if (claim.kind === "mismatch")
    throw new SkerryError("IDEMPOTENCY_MISMATCH", "this Idempotency-Key came before with another request");
  if (claim.kind === "busy") {
    throw new SkerryError("CONFLICT", "the first request with this Idempotency-Key is still under way", {
      retryAfterMs: 1_000,
    });
  }
  if (claim.kind === "done") return repeated(claim, keyed);
  let reply: RouteResponse<unknown>;
  try {
    reply = await work();
  } catch (error) {
    await store
      .abandon(keyId, key)
      .catch((cause: unknown) => logger.warn({ error: messageOf(cause) }, "an Idempotency-Key could not be freed"));
    throw error;
  }
  // The work is committed: a caller must not be told otherwise because its answer could not be noted.
  await store
    .finish(keyId, key, { status: reply.status ?? usualStatus, body: storable(reply, keyed.answersSecret) })
    .catch((cause: unknown) =>
      logger.warn({ error: messageOf(cause) }, "the answer to an Idempotency-Key could not be kept"),
    );
  return reply;
}

function repeated(
  { status, body }: { status: number; body: unknown },
  { answersSecret }: KeyedRequest,
): RouteResponse<unknown> {
  if (answersSecret) {
    const id = typeof body === "object" && body !== null && "id" in body ? String(body.id) : "it";
    throw new SkerryError(
      "CONFLICT",
      `this Idempotency-Key made ${id} before; its secret was in the first answer only, so delete ${id} and make another`,
    );
  }
  const headers = { "Idempotent-Replayed": "true" };
  return body === null ? { status, empty: true, headers } : { status, body, headers };
}

/** Of an answer with a secret only the id is kept: a reader of the database gains nothing by it. */
function storable(reply: RouteResponse<unknown>, answersSecret: boolean): unknown {
  const body = "body" in reply ? reply.body : null;
  if (!answersSecret) return body;
  return { id: typeof body === "object" && body !== null && "id" in body ? body.id : null };
}
