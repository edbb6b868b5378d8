import { canonicalJson, digestOf, type Digest } from "../../base/digest.ts";
import type { BundleFile } from "./bundle.ts";

/**
 * What names the content of a bundle. Of one file it is the file's own SHA-256, so that the same bytes have one name;
 * of several it is that of the main file's path and the list of paths and digests, in the order of the paths.
 */
export function bundleDigest(files: readonly BundleFile[], main: string): Digest {
  const [only, ...more] = files;
  if (only !== undefined && more.length === 0) return `sha256:${only.sha256}`;
  const list = files.map(({ path, sha256 }) => [path, sha256]).toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return digestOf(canonicalJson({ main, files: list }));
}
