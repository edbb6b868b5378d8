/**
 * The value of the first cookie of this name in a Cookie header that `accepts` takes; undefined: there is none. A name may come
 * more than once, for cookies of other paths and domains. No more than `maxLength` characters are looked at.
 */
export function cookieValue(
  header: string,
  { name, accepts, maxLength }: { readonly name: string; readonly accepts: RegExp; readonly maxLength: number },
): string | undefined {
  const begin = `${name}=`;
  return header
    .slice(0, maxLength)
    .split(";")
    .map((cookie) => cookie.trim())
    .filter((cookie) => cookie.startsWith(begin))
    .map((cookie) => cookie.slice(begin.length))
    .find((value) => accepts.test(value));
}
