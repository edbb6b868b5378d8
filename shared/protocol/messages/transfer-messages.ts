import { z } from "zod";
import { count } from "./envelope.ts";

/** The JSON messages of a transfer channel, after `attached`. The chunks between them are frames (`frames/transfer-frame.ts`). */

/** Which chunks the node lacks (bit i of `chunks`, most significant bit first, base64url) and how far a half-written first one got. */
const need = z.object({
  type: z.literal("need"),
  chunks: z.string().max(400_000),
  partial: z.object({ chunk: count, offset: count }).optional(),
  window: count,
});
/** `durable`: bytes fsynced since `need`. The sender keeps sent − durable ≤ window. */
const credit = z.object({ type: z.literal("credit"), durable: count, window: count });
export const transferMessage = z.discriminatedUnion("type", [need, credit]);
export type TransferMessage = z.infer<typeof transferMessage>;
