import type { ErrorCode } from "../../../shared/base/errors.ts";
import type { HostResponse, HostStream } from "../../ports/model-hosts.ts";
import { isHostFailure } from "../hosts/host-failure.ts";

/** How a request ended, before it is dressed as an answer. */
export type Outcome =
  | { readonly kind: "answered"; readonly answer: HostResponse; readonly queueMs: number }
  | {
      readonly kind: "dropped";
      readonly code: ErrorCode;
      readonly why: string;
      readonly started: boolean;
      readonly queueMs: number;
      /**
       * A request ended the host. `any`: it was not this one, and the new host may answer it. `alone`: it may have been
       * this one, and a run of its own tells. Undefined: the end.
       */
      readonly again?: "any" | "alone";
    };

/** The body of an answer that comes in pieces. */
export function streamOf(outcome: Outcome): HostStream | undefined {
  if (outcome.kind === "dropped" || outcome.answer.body instanceof Uint8Array) return undefined;
  return outcome.answer.body;
}

/** What the end of the host means for a request that it had. Of several that may have ended it, none is blamed yet. */
export function blameOf(error: unknown): {
  readonly code: ErrorCode;
  readonly started: boolean;
  readonly again?: "any" | "alone";
} {
  const { started = true, blames, suspects = 0, wasShared = false } = isHostFailure(error) ? error : {};
  // In a host of its own the model is held to its own limits, and there it is known which request did it.
  if (wasShared)
    return started
      ? { code: "HOST_CRASHED", started, again: "alone" }
      : { code: "MODEL_NOT_READY", started, again: "any" };
  if (started && blames !== undefined && suspects === 1) return { code: blames, started };
  const code = started ? "HOST_CRASHED" : "MODEL_NOT_READY";
  return blames === undefined ? { code, started } : { code, started, again: started ? "alone" : "any" };
}
