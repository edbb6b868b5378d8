import type { RawData } from "ws";
import type { z } from "zod";

/** The message in `data`, or undefined when it is not JSON or not of the schema. */
export function parseMessage<Schema extends z.ZodType>(schema: Schema, data: RawData): z.infer<Schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(bytesOf(data).toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

/** One buffer, whatever form ws handed over. */
export function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
