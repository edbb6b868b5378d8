import { z } from "zod";

/** What `npm audit signatures --json` found out of the packages that are installed. */
export type SignatureVerdict =
  | { readonly kind: "verified" }
  /** `packages`: a line for each whose signature or attestation is wrong, or is missing where the registry signs. */
  | { readonly kind: "refused"; readonly packages: readonly string[] }
  /** Nothing was found out: the registry has no signatures, or it or the keys were not reached. */
  | { readonly kind: "unchecked"; readonly why: string };

const found = z.object({
  name: z.string(),
  version: z.string(),
  registry: z.string().optional(),
  code: z.string().optional(),
});
const checked = z.object({ invalid: z.array(found), missing: z.array(found) });
const failed = z.object({ error: z.object({ code: z.string().nullish(), summary: z.string() }) });

/**
 * `npm` says with exit code 1 both that a signature is wrong and that it could ask nobody, so its output decides. `output`: what
 * it wrote to standard output; `isLate`: it was ended at its deadline.
 */
export function readVerdict(output: string, { isLate }: { readonly isLate: boolean }): SignatureVerdict {
  if (isLate) return { kind: "unchecked", why: "there was no answer in time" };
  const json = jsonIn(output);
  const verdict = checked.safeParse(json);
  if (verdict.success) {
    const { invalid, missing } = verdict.data;
    const packages = [
      ...invalid.map(
        (each) => `${each.name}@${each.version}: ${nounOf(each.code)} is wrong: it may have been tampered with`,
      ),
      ...missing.map(
        (each) =>
          `${each.name}@${each.version}: its signature is missing, and ${each.registry ?? "its registry"} signs`,
      ),
    ];
    return packages.length === 0 ? { kind: "verified" } : { kind: "refused", packages };
  }
  const failure = failed.safeParse(json);
  return { kind: "unchecked", why: failure.success ? failure.data.error.summary : "npm gave no verdict" };
}

const nounOf = (code: string | undefined): string =>
  code === "EATTESTATIONVERIFY" ? "its attestation" : "its signature";

function jsonIn(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return undefined;
  }
}
