import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { connect, setDefaultCACertificates } from "node:tls";
import { findPinned } from "../../shared/base/network/certificate-pin.ts";
import { messageOf } from "../../shared/base/errors.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure, usageFailure } from "../failure.ts";

const CONNECT_MS = 10_000;

/** The file of `--ca`, or of SKERRY_CA_FILE, as a full path; undefined: none is given. */
export function authoritiesFile(
  given: string | undefined,
  { env, cwd }: { readonly env: NodeJS.ProcessEnv; readonly cwd: string },
): string | undefined {
  const file = given ?? (env["SKERRY_CA_FILE"] || undefined);
  return file === undefined ? undefined : resolve(cwd, file);
}

/** The certificates in `file`, PEM. Fails when there is none. */
export function readAuthorities(file: string): string {
  try {
    const text = readFileSync(file, "utf8");
    new X509Certificate(text);
    return text;
  } catch (error) {
    throw new CliFailure(
      EXIT.error,
      {
        what: `${file} holds no certificates in PEM`,
        why: [messageOf(error)],
        fix: "name the authority's file with --ca",
      },
      { cause: error },
    );
  }
}

/** Connections that begin from now on take no other authority's word. */
export function trustOnly(pem: string): void {
  setDefaultCACertificates(pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []);
}

/**
 * The certificate in the server's chain that has the pinned key, PEM: nothing is sent before it is found. Fails when no
 * certificate has it, each step of the chain being checked, or the certificate is no authority's.
 */
export async function authorityByPin(server: string, pin: string): Promise<string> {
  if (!/^[A-Za-z0-9_-]{43}$/.test(pin))
    throw usageFailure("--pin: this is not a pin", "it has 43 characters; the control plane logs it when it starts");
  const url = new URL(server);
  if (url.protocol !== "https:") throw usageFailure("--pin is for a server with TLS", `use https://${url.host}`);
  const found = await shownBy(url, pin);
  if (!found.isPinned)
    throw new CliFailure(EXIT.error, {
      what: `the server at ${server} is not the one of the pin`,
      why: [found.why],
      fix: "ask the operator for the pin; if it is right, somebody else answers at this address",
    });
  const { certificate } = found;
  if (certificate.ca || certificate.checkIssued(certificate)) return certificate.toString();
  throw new CliFailure(EXIT.error, {
    what: "the pinned certificate is no authority's, so others cannot be verified by it",
    fix: "pin the authority, or name its file with --ca",
  });
}

function shownBy(url: URL, pin: string): Promise<ReturnType<typeof findPinned>> {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return new Promise((done, reject) => {
    const socket = connect({
      host,
      port: url.port === "" ? 443 : Number(url.port),
      rejectUnauthorized: false, // the pin decides, below
      ...(isIP(host) === 0 && { servername: host }),
    });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(
        new CliFailure(
          EXIT.error,
          { what: `no TLS connection to ${url.origin}`, why: [messageOf(error)] },
          { cause: error },
        ),
      );
    };
    socket.setTimeout(CONNECT_MS, () => fail(new Error(`no answer within ${CONNECT_MS / 1_000} s`)));
    socket.once("error", fail);
    socket.once("secureConnect", () => {
      const found = findPinned(socket.getPeerX509Certificate(), { host, pin });
      socket.destroy();
      done(found);
    });
  });
}
