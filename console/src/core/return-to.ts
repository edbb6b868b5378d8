/** What the control plane takes as `returnTo`. */
const TAKEN = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,999}$/;

/** Where the identity provider sends a browser back to: this address, or as much of it as the control plane remembers. */
export const pathToReturnTo = ({ pathname, search }: { readonly pathname: string; readonly search: string }): string =>
  [pathname + search, pathname].find((path) => TAKEN.test(path)) ?? "/";
