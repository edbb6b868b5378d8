import { randomUUID } from "node:crypto";

/** The caller's `X-Request-Id` when it is fit for a log line, else a new one. */
export const requestIdFrom = (given: string | string[] | undefined): string =>
  typeof given === "string" && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID();
