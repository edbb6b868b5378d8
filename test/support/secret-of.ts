/**
 * The secret in an API key, a cookie or a code (`sk_…`, `ss_…`, `sc_…`): 43 characters after the second underscore. It may hold
 * underscores itself, so nobody can split at them.
 */
export function secretOf(credential: string): string {
  const [, secret] = /^(?:sk|ss|sc)_[0-9a-f]{12}_([\w-]{43})$/.exec(credential) ?? [];
  if (secret === undefined) throw new Error("this is no key, cookie or code");
  return secret;
}
