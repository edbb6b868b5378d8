import { z } from "zod";
import { withoutControls } from "../../base/plain-text.ts";

/**
 * What the JSON messages of the control channel, and of the handshake of all three channels, have in common. Receivers ignore
 * fields they do not know (so the objects are not strict); a known field of the wrong type closes 4400.
 */

export const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
export const count = z.number().int().min(0);
export const ms = z.number().min(0);
/**
 * For a person to read. Control characters go: they would steer the terminal that shows them. A text that was cut in the
 * middle of a character could not be stored in PostgreSQL.
 */
export const words = (max: number) =>
  z
    .string()
    .max(max)
    .overwrite((text) => withoutControls(text).toWellFormed());

const envelope = {
  /** Rises by 1 for each sender and socket. */
  id: count,
  /** The id that this message answers. */
  re: count.optional(),
  /** The session's epoch, from `welcome` on. */
  epoch: count.optional(),
  traceparent: z.string().max(64).optional(),
};

/** A message of one type, whose sender is a node (`node-messages.ts`) or a control plane (`control-plane-messages.ts`). */
export const message = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  z.object({ type: z.literal(type), ...envelope, ...shape });

/** A message before its sender's socket gives it `id` and `epoch`. */
export type Unsent<Message> = Message extends { readonly type: string } ? Omit<Message, "id" | "epoch"> : never;

// ── both sides ────────────────────────────────────────────────────────────────────────────────────────────────────
export const ok = message("ok", {});
export const error = message("error", { code: words(64), detail: words(500).optional() });
/** The code of an `error` to the node that stays connected while another process with its identity is refused. */
export const IDENTITY_CONFLICT = "IDENTITY_CONFLICT";
