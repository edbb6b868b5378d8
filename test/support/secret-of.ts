/**
 * The secret in an API key, a cookie, a code (`sk_…`, `ss_…`, `sc_…`) or a join token (`skj1.…`): its last 43 characters. It may
 * hold underscores, so nobody can split at them. Undefined: that is none of these.
 */
export const secretIn = (text: string): string | undefined =>
  /^(?:(?:sk|ss|sc)_[0-9a-f]{12}_|skj1\.[\w-]+\.[\w-]+\.[\w-]{16}\.)([\w-]{43})$/.exec(text)?.[1];

/** The same of a text that is one of them. */
export function secretOf(credential: string): string {
  const secret = secretIn(credential);
  if (secret === undefined) throw new Error("this is no key, cookie, code or join token");
  return secret;
}
