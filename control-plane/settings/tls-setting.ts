import { z } from "zod";

/** The settings of TLS, each with the sentence that explains it. */
export const tlsSettings = {
  SKERRY_TLS: z
    .enum(["own", "off"])
    .optional()
    .describe(
      "own: TLS with a certificate of an authority of its own, which is made in SKERRY_DATA_DIR/tls; off: plain text, behind a proxy with TLS or on a network that nobody else can read. Default: off on loopback; elsewhere it has to be said, or SKERRY_TLS_CERT given.",
    ),
  SKERRY_TLS_CERT: z
    .string()
    .min(1)
    .optional()
    .describe(
      "File of the certificate to serve TLS with, and of the chain behind it, PEM. Read again when it changes.",
    ),
  SKERRY_TLS_KEY: z.string().min(1).optional().describe("File of the private key of SKERRY_TLS_CERT, PEM."),
  SKERRY_TLS_CA: z
    .string()
    .min(1)
    .optional()
    .describe(
      "File of the authorities by which this control plane verifies others of the same database, PEM; join tokens pin the first of them that vouches for SKERRY_TLS_CERT. Default: SKERRY_TLS=own: its own; else those of the machine.",
    ),
  SKERRY_PEER_TLS_NAME: z
    .string()
    .min(1)
    .optional()
    .describe(
      "The name that certificates of other control planes of the same database have to be for. Default: the one in their SKERRY_PEER_URL.",
    ),
};

type Given = z.output<z.ZodObject<typeof tlsSettings>> & { readonly SKERRY_HOST: string };

export interface TlsSettings {
  readonly mode: "own" | "off" | "files";
  /** Of mode `files`. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly authoritiesFile: string | undefined;
  /** The name in certificates of other control planes; undefined: that of their URLs. */
  readonly peerName: string | undefined;
}

/** What is wrong with the settings of TLS together; undefined when nothing is. */
export function tlsComplaint(given: Given, { isLoopback }: { readonly isLoopback: boolean }): string | undefined {
  const { SKERRY_TLS: mode, SKERRY_TLS_CERT: cert, SKERRY_TLS_KEY: key, SKERRY_TLS_CA: authorities } = given;
  if ((cert === undefined) !== (key === undefined)) return "SKERRY_TLS_CERT and SKERRY_TLS_KEY belong together";
  if (cert !== undefined && mode !== undefined)
    return `it is ${mode}, and SKERRY_TLS_CERT names a certificate: take one`;
  if (mode === "own" && authorities !== undefined)
    return "it is own, and SKERRY_TLS_CA names other authorities, which signed nothing here: take one";
  if (mode === undefined && cert === undefined && !isLoopback)
    return `others can reach ${given.SKERRY_HOST}, and nothing is said of TLS. Set SKERRY_TLS_CERT and SKERRY_TLS_KEY, or SKERRY_TLS=own, or SKERRY_TLS=off behind a proxy with TLS`;
  return undefined;
}

/** The settings that `tlsComplaint` has nothing against. */
export const tlsOf = (given: Given): TlsSettings => ({
  mode: given.SKERRY_TLS_CERT === undefined ? (given.SKERRY_TLS ?? "off") : "files",
  certFile: given.SKERRY_TLS_CERT ?? "",
  keyFile: given.SKERRY_TLS_KEY ?? "",
  authoritiesFile: given.SKERRY_TLS_CA,
  peerName: given.SKERRY_PEER_TLS_NAME,
});
