import type { RawData } from "ws";
import {
  controlPlaneMessage,
  type ControlPlaneMessage,
} from "../../../shared/protocol/messages/control-plane-messages.ts";

/** `unknown`: a type of a newer protocol, to be ignored. `broken`: not JSON, or a known type against its schema. */
export type Parsed =
  | { readonly kind: "message"; readonly message: ControlPlaneMessage }
  | { readonly kind: "unknown" }
  | { readonly kind: "broken" };

const TYPES: ReadonlySet<unknown> = new Set(controlPlaneMessage.options.map((option) => option.shape.type.value));

export function parseMessage(data: RawData): Parsed {
  try {
    const value: unknown = JSON.parse(bytesOf(data).toString("utf8"));
    const parsed = controlPlaneMessage.safeParse(value);
    if (parsed.success) return { kind: "message", message: parsed.data };
    const type = typeof value === "object" && value !== null && "type" in value ? value.type : undefined;
    return typeof type === "string" && !TYPES.has(type) ? { kind: "unknown" } : { kind: "broken" };
  } catch {
    return { kind: "broken" };
  }
}

/** One buffer, whatever form ws handed over. */
export function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
