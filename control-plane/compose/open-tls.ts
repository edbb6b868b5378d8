import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import path from "node:path";
import { messageOf } from "../../shared/base/errors.ts";
import type { Clock } from "../../shared/base/clock.ts";
import type { Logger } from "../../shared/base/logging/logger.ts";
import { certificatesOf, checkSuccessor, type CheckedCertificate, pinFor } from "../adapters/tls/certificate-check.ts";
import { readCertificate } from "../adapters/tls/certificate-files.ts";
import { WatchedCertificate } from "../adapters/tls/watched-certificate.ts";
import type { Config } from "../config.ts";
import { settingsError } from "../settings/settings-error.ts";
import type { ServerTls } from "../ports/server-tls.ts";

/** A replaced file is shown this soon, in ms; a certificate of the own authority is looked at this often. */
const FILES_EVERY_MS = 10_000;
const OWN_EVERY_MS = 3_600_000;

export interface Tls {
  /** Undefined: nothing is served over TLS. */
  readonly server: ServerTls | undefined;
  /** Certificates by which other control planes are verified, PEM; undefined: those of the machine. */
  readonly authorities: string | undefined;
  /** The same as a file, for nodes on this machine. */
  readonly authoritiesFile: string | undefined;
}

/** Opens, or makes, what TLS is served with. Throws a `settingsError` when it cannot be shown to anybody. */
export async function openTls(
  config: Config,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<Tls> {
  const { mode, certFile, keyFile, authoritiesFile } = config.tls;
  const common = { clock, logger };
  const now = (): number => clock.wallNow();
  const next = (load: () => Promise<CheckedCertificate>, pin: string) => async () => {
    const loaded = await load();
    checkSuccessor(loaded, { pin, now: now() });
    return loaded;
  };
  if (mode === "own") {
    const { OwnAuthority } = await import("../adapters/tls/own-authority.ts");
    const own = new OwnAuthority(path.join(config.dataDir, "tls"), now);
    const load = () => own.certificateFor(namesOf(config));
    const first = await orComplain("SKERRY_TLS", load);
    const authorities = await readFile(own.certificateFile, "utf8");
    const pin = pinFor(first.cert, authorities);
    const remedy = "its authority could not make another one, and the event CertificateRefused says why";
    const server = new WatchedCertificate({
      ...common,
      first,
      load: next(load, pin),
      pin,
      everyMs: OWN_EVERY_MS,
      remedy,
    });
    return { server, authorities, authoritiesFile: own.certificateFile };
  }
  const authorities = authoritiesFile === undefined ? undefined : await readAuthorities(authoritiesFile);
  if (mode === "off") return { server: undefined, authorities, authoritiesFile };
  const load = () => readCertificate({ certFile, keyFile }, { authorities, now: now() });
  const first = await orComplain("SKERRY_TLS_CERT", load);
  const pin = await orComplain("SKERRY_TLS_CA", async () => pinFor(first.cert, authorities));
  const remedy = "replace SKERRY_TLS_CERT and SKERRY_TLS_KEY, which are read again without a restart";
  const server = new WatchedCertificate({
    ...common,
    first,
    load: next(load, pin),
    pin,
    everyMs: FILES_EVERY_MS,
    remedy,
  });
  return { server, authorities, authoritiesFile };
}

const readAuthorities = (file: string): Promise<string> =>
  orComplain("SKERRY_TLS_CA", async () => {
    const text = await readFile(file, "utf8");
    certificatesOf(text);
    return text;
  });

async function orComplain<Result>(setting: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw settingsError([`  ${setting}: ${messageOf(error)}.`]);
  }
}

/** Every name by which this control plane may be dialled: those of the settings, and those of this machine. */
function namesOf({ host, publicUrl, nodeUrls = [], peerUrl }: Config): readonly string[] {
  const urls = [publicUrl, ...nodeUrls, ...(peerUrl === null ? [] : [peerUrl])];
  const said = [host, ...urls.map((url) => new URL(url).hostname.replace(/^\[(.*)\]$/, "$1"))];
  const addresses = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .map(({ address }) => address);
  const isName = (name: string): boolean =>
    isIP(name) === 0 ? /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(name) : !["0.0.0.0", "::", "::0"].includes(name);
  return [...new Set([...said, "localhost", hostname(), ...addresses].filter(isName))];
}
