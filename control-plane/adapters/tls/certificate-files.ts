import { readFile } from "node:fs/promises";
import { checkCertificate, withAuthorities, type CheckedCertificate } from "./certificate-check.ts";

/** Reads certificate and key, and checks that a server can show them. Throws a sentence that names the file. */
export async function readCertificate(
  files: { readonly certFile: string; readonly keyFile: string },
  { authorities, now }: { readonly authorities: string | undefined; readonly now: number },
): Promise<CheckedCertificate> {
  const [cert, key] = await Promise.all([readFile(files.certFile, "utf8"), readFile(files.keyFile, "utf8")]);
  try {
    return checkCertificate({ cert: withAuthorities(cert, authorities), key }, now);
  } catch (error) {
    const why = Error.isError(error) ? error.message : String(error);
    throw new Error(`${files.certFile} with ${files.keyFile}: ${why}`, { cause: error });
  }
}
