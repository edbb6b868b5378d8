import { secretHash } from "./secrets.ts";

/** `ss_` is a session's cookie, `sc_` a one-time code: as in API keys the id is looked up, and the secret compared by its hash. */
export type LoginPrefix = "ss" | "sc";

export interface LoginSecret {
  readonly id: string;
  readonly secret: string;
}

const PATTERN = /^(ss|sc)_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

/** Undefined when the text is no such secret at all. */
export function parseLoginSecret(prefix: LoginPrefix, text: string): LoginSecret | undefined {
  const [, found, id, secret] = PATTERN.exec(text) ?? [];
  return found !== prefix || id === undefined || secret === undefined ? undefined : { id, secret };
}

export const formatLoginSecret = (prefix: LoginPrefix, { id, secret }: LoginSecret): string =>
  `${prefix}_${id}_${secret}`;

/** Follows from the session's secret: it needs no place of its own, and who has it has not the secret. */
export const csrfTokenOf = (secret: string): string => secretHash(`csrf ${secret}`);
