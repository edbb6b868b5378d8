import type { PlacementFailure } from "../../../shared/protocol/placement.ts";
import type { HostFailure } from "../../ports/model-hosts.ts";

/** A placement failure with its code. `detail` says what happened, for a person. */
export function hostFailure(code: PlacementFailure, detail: string, cause?: unknown): HostFailure {
  return Object.assign(new Error(detail, { cause }), { name: "HostFailure" as const, code });
}

/** By name, not by `instanceof`: realms differ under Jest. */
export function isHostFailure(error: unknown): error is HostFailure {
  return error instanceof Error && error.name === "HostFailure" && "code" in error;
}
