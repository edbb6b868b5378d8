import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  type webcrypto,
  X509Certificate,
} from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { isIP } from "node:net";
import path from "node:path";
import type * as x509 from "@peculiar/x509";
import { checkCertificate, type CheckedCertificate } from "./certificate-check.ts";

const DAY_MS = 86_400_000;
/** Machines whose clocks are a day off take a new certificate too. */
const CLOCK_SKEW_MS = DAY_MS;
const AUTHORITY_MS = 3_650 * DAY_MS;
const SERVER_MS = 90 * DAY_MS;
/** So long before its end each is made anew. */
const RENEW_AUTHORITY_MS = 365 * DAY_MS;
const RENEW_SERVER_MS = 30 * DAY_MS;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

interface Pair {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

/**
 * An authority of this control plane alone, in a folder that only its user reads: `ca.pem` and `ca.key`, made once, and
 * `server.pem`, a certificate with its key for the names that callers use. The key of the authority stays when its
 * certificate is renewed, so a pin of it holds for as long as the folder is kept.
 */
export class OwnAuthority {
  readonly #folder: string;
  readonly #now: () => number;

  /** `now`: ms since 1970. */
  constructor(folder: string, now: () => number) {
    this.#folder = folder;
    this.#now = now;
  }

  /** Where the certificate of the authority is, for those who verify by it. */
  get certificateFile(): string {
    return path.join(this.#folder, "ca.pem");
  }

  /** The present server certificate with the authority's behind it; made, or made anew, where it is missing, old or for other names. */
  async certificateFor(names: readonly string[]): Promise<CheckedCertificate> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const authority = await this.#authority();
    const file = path.join(this.#folder, "server.pem");
    const text = await unlessMissing(readFile(file, "utf8"));
    const known = text === undefined ? undefined : parsePair(text);
    const isGood =
      known?.certificate.checkIssued(authority.certificate) === true &&
      known.certificate.verify(authority.certificate.publicKey) &&
      Date.parse(known.certificate.validTo) - this.#now() > RENEW_SERVER_MS &&
      names.every((name) => isFor(known.certificate, name));
    const pair = isGood ? known : await this.#issue(names, authority);
    if (!isGood) await write(file, pemOf(pair.key) + pair.certificate.toString(), 0o600);
    const cert = pair.certificate.toString() + authority.certificate.toString();
    return checkCertificate({ cert, key: pemOf(pair.key) }, this.#now());
  }

  async #authority(): Promise<Pair> {
    const keyFile = path.join(this.#folder, "ca.key");
    const [keyPem, certPem] = await Promise.all([
      unlessMissing(readFile(keyFile, "utf8")),
      unlessMissing(readFile(this.certificateFile, "utf8")),
    ]);
    if (keyPem === undefined && certPem !== undefined)
      throw new Error(`${this.certificateFile} is here, but its key ${keyFile} is not: restore it, or remove both`);
    const key = keyPem === undefined ? generateKey() : createPrivateKey(keyPem);
    // First the key: what a crash leaves between the two is an authority without a certificate, which is made then.
    if (keyPem === undefined) await write(keyFile, pemOf(key), 0o600);
    const known = certPem === undefined ? undefined : new X509Certificate(certPem);
    if (known && !known.checkPrivateKey(key)) throw new Error(`${keyFile} is not the key of ${this.certificateFile}`);
    if (known && Date.parse(known.validTo) - this.#now() > RENEW_AUTHORITY_MS) return { certificate: known, key };
    const certificate = await this.#selfSign(key);
    await write(this.certificateFile, certificate.toString(), 0o644);
    return { certificate, key };
  }

  async #selfSign(key: KeyObject): Promise<X509Certificate> {
    const lib = await loadX509();
    const keys = cryptoKeysOf(key);
    return toNode(
      await lib.X509CertificateGenerator.createSelfSigned({
        name: "CN=Skerry control plane authority",
        ...this.#validity(AUTHORITY_MS),
        signingAlgorithm: ALGORITHM,
        keys,
        extensions: [
          new lib.BasicConstraintsExtension(true, 0, true),
          new lib.KeyUsagesExtension(lib.KeyUsageFlags.keyCertSign | lib.KeyUsageFlags.cRLSign, true),
          await lib.SubjectKeyIdentifierExtension.create(keys.publicKey),
        ],
      }),
    );
  }

  async #issue(names: readonly string[], authority: Pair): Promise<Pair> {
    const lib = await loadX509();
    const key = generateKey();
    const { publicKey } = cryptoKeysOf(key);
    const signer = cryptoKeysOf(authority.key);
    const certificate = toNode(
      await lib.X509CertificateGenerator.create({
        subject: "CN=Skerry control plane",
        issuer: new lib.X509Certificate(authority.certificate.raw).subject,
        ...this.#validity(SERVER_MS),
        signingAlgorithm: ALGORITHM,
        publicKey,
        signingKey: signer.privateKey,
        extensions: [
          new lib.BasicConstraintsExtension(false, undefined, true),
          new lib.KeyUsagesExtension(lib.KeyUsageFlags.digitalSignature, true),
          new lib.ExtendedKeyUsageExtension([SERVER_AUTH]),
          new lib.SubjectAlternativeNameExtension(
            names.map((name) => ({ type: isIP(name) === 0 ? ("dns" as const) : ("ip" as const), value: name })),
          ),
          await lib.SubjectKeyIdentifierExtension.create(publicKey),
          await lib.AuthorityKeyIdentifierExtension.create(signer.publicKey),
        ],
      }),
    );
    return { certificate, key };
  }

  #validity(lifeMs: number): { readonly notBefore: Date; readonly notAfter: Date } {
    const now = this.#now();
    return { notBefore: new Date(now - CLOCK_SKEW_MS), notAfter: new Date(now + lifeMs) };
  }
}

/** Loaded when something has to be signed. The library wants decorators' metadata to be there before it. */
async function loadX509(): Promise<typeof x509> {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

const generateKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

const pemOf = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString();

const cryptoKeysOf = (
  key: KeyObject,
): { readonly privateKey: webcrypto.CryptoKey; readonly publicKey: webcrypto.CryptoKey } => ({
  privateKey: key.toCryptoKey(ALGORITHM, true, ["sign"]),
  publicKey: createPublicKey(key).toCryptoKey(ALGORITHM, true, ["verify"]),
});

const toNode = (certificate: x509.X509Certificate): X509Certificate =>
  new X509Certificate(Buffer.from(certificate.rawData));

const isFor = (certificate: X509Certificate, name: string): boolean =>
  (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;

/** Undefined when it is no pair: then it is made anew. */
function parsePair(text: string): Pair | undefined {
  try {
    const certificate = new X509Certificate(text);
    const key = createPrivateKey(text);
    return certificate.checkPrivateKey(key) ? { certificate, key } : undefined;
  } catch {
    return undefined;
  }
}

/** Whole or not at all, also through a loss of power. */
async function write(file: string, text: string, mode: number): Promise<void> {
  const temporary = `${file}.new`;
  const handle = await open(temporary, "w", mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

async function unlessMissing<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (Error.isError(error) && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
