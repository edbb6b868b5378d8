import { problem, type Problem } from "../../shared/api/v1/common.ts";
import { exitCodeOfResponse } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";

/** The question that was answered with an error. */
export interface Asked {
  readonly method: string;
  readonly url: string;
}

/** An error answer of the API as a failure with the exit code that belongs to it. */
export class ApiFailure extends CliFailure {
  readonly status: number;
  readonly code: string;
  /** From `Retry-After`, in ms; 0 when it was not sent. */
  readonly retryAfterMs: number;

  constructor(status: number, body: unknown, asked: Asked, headers: Headers) {
    const told = problem.safeParse(body);
    const code = told.success ? told.data.code : (headers.get("skerry-error") ?? "");
    super(
      exitCodeOfResponse(status, code),
      told.success ? partsOf(told.data, asked) : partsOfStranger({ status, code, body }, asked),
    );
    this.status = status;
    this.code = code;
    this.retryAfterMs = Math.max(0, Number(headers.get("retry-after") ?? 0) * 1000) || 0;
  }
}

/** By shape: under Jest the class exists once per realm. */
export function isApiFailure(error: unknown): error is ApiFailure {
  return Error.isError(error) && error.name === "CliFailure" && "status" in error;
}

function partsOf(told: Problem, asked: Asked): CliFailure["parts"] {
  return {
    what: `${told.detail.replace(/\.$/, "")} (${told.code})`,
    why: (told.causes ?? []).map(({ field, message }) => (field === "" ? message : `${field}: ${message}`)),
    fix: told.fix,
    notes: [
      ["asked", `${asked.method} ${asked.url}`],
      ["request", told.requestId],
    ],
  };
}

// `/v2` answers `{"error": "…"}`, `/v1` the same with an object; a proxy in between answers anything.
function partsOfStranger(
  { status, code, body }: { readonly status: number; readonly code: string; readonly body: unknown },
  asked: Asked,
): CliFailure["parts"] {
  const told = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
  const error = typeof told === "object" && told !== null && "message" in told ? told.message : told;
  const notes = [["asked", `${asked.method} ${asked.url}`]] as const;
  if (typeof error === "string")
    return { what: `${error.replace(/\.$/, "")}${code === "" ? "" : ` (${code})`}`, notes };
  const text = typeof body === "string" ? body.slice(0, 200).trim() : "";
  return {
    what: `the server answered ${status} without saying why`,
    why: text === "" ? [] : [text],
    fix: "check that the address is Skerry's and not another server's or a proxy's",
    notes,
  };
}

/** Whether the same question may get its answer later: the network failed or the server is not well, and what was asked is not at fault. */
export const mayPass = (error: unknown): boolean => !isApiFailure(error) || error.status >= 500 || error.status === 429;
