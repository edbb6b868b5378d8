import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { certificatesOf, pinFor } from "../../../control-plane/adapters/tls/certificate-check.ts";
import { OwnAuthority } from "../../../control-plane/adapters/tls/own-authority.ts";
import { isSettingsError } from "../../../control-plane/settings/settings-error.ts";
import { readConfig } from "../../../control-plane/config.ts";
import { openTls } from "../../../control-plane/compose/open-tls.ts";
import type { NewEvent } from "../../../control-plane/ports/events.ts";
import { eventually } from "../../support/eventually.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { TestClock } from "../../support/test-clock.ts";

const DAY_MS = 86_400_000;
const LOOK_MS = 10_000;

let folder: string;
let clock: TestClock;
let events: Omit<NewEvent, "object">[];
const at = (name: string): string => path.join(folder, name);
const authority = (name: string, aheadMs = 0) => new OwnAuthority(at(name), () => clock.wallNow() + aheadMs);

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-replaced-"));
  clock = new TestClock();
  events = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Puts a certificate of that authority where the control plane reads it; returns the authority's own. */
async function give(from: OwnAuthority, { isLeafAlone = false, names = ["cp.example"] } = {}): Promise<string> {
  const { cert, key } = await from.certificateFor(names);
  const [leaf, ca] = certificatesOf(cert);
  await writeFile(at("tls.crt"), isLeafAlone ? leaf.toString() : cert);
  await writeFile(at("tls.key"), key);
  return String(ca);
}

async function open(authorities?: readonly string[]) {
  if (authorities) await writeFile(at("authorities.pem"), authorities.join("\n"));
  const config = readConfig({
    DATABASE_URL: "postgresql://db",
    SKERRY_DATA_DIR: folder,
    SKERRY_TLS_CERT: at("tls.crt"),
    SKERRY_TLS_KEY: at("tls.key"),
    ...(authorities && { SKERRY_TLS_CA: at("authorities.pem") }),
  });
  const { server } = await openTls(config, { clock, logger: silentLogger });
  if (!server) throw new Error("TLS is served");
  return server;
}

describe("a certificate that takes the place of another", () => {
  it.each([
    ["has not the key that nodes have pinned", () => authority("other"), /has the key .*, which nodes have pinned/],
    ["is not valid yet", () => authority("own", 30 * DAY_MS), /it begins at /],
  ])("is not shown when it %s", async (_, next, why) => {
    await give(authority("own"));
    const server = await open();
    const before = server.certificates.current;
    server.start((event) => events.push(event));
    await give(next(), { names: ["cp.example", "new.example"] });
    await clock.advance(LOOK_MS);
    await eventually("an event", () => events.length > 0);
    server.stop();
    expect(events).toMatchObject([{ reason: "CertificateRefused", message: expect.stringMatching(why) }]);
    expect(server.certificates.current).toBe(before);
  });

  it("is shown when the same authority signed it", async () => {
    const ca = await give(authority("own"), { isLeafAlone: true });
    const server = await open([ca]);
    server.start((event) => events.push(event));
    await give(authority("own"), { isLeafAlone: true, names: ["cp.example", "new.example"] });
    await clock.advance(LOOK_MS);
    await eventually("an event", () => events.length > 0);
    server.stop();
    expect(events).toMatchObject([{ reason: "CertificateChanged" }]);
    expect(certificatesOf(server.certificates.current.cert)[0].checkHost("new.example")).toBeDefined();
  });
});

describe("the authorities of a control plane", () => {
  it("are pinned by the one that vouches for its certificate, not by another of the file", async () => {
    const { cert: strange } = await authority("other").certificateFor(["cp.example"]);
    const ca = await give(authority("own"), { isLeafAlone: true });
    const { pin } = await open([String(certificatesOf(strange)[1]), ca]);
    expect(pin).toBe(pinFor(ca, undefined));
  });

  it("are refused when none vouches for its certificate: every node would stay away", async () => {
    const { cert: strange } = await authority("other").certificateFor(["cp.example"]);
    await give(authority("own"), { isLeafAlone: true });
    const refused = await open([String(certificatesOf(strange)[1])]).catch((error: unknown) => error);
    expect(isSettingsError(refused)).toBe(true);
    expect(String(refused)).toContain("SKERRY_TLS_CA: none of these authorities vouches for the certificate");
  });
});

describe("a certificate of the own authority", () => {
  it("is said to end soon with what keeps its authority from making another one", async () => {
    const config = readConfig({ DATABASE_URL: "postgresql://db", SKERRY_DATA_DIR: folder, SKERRY_TLS: "own" });
    const { server } = await openTls(config, { clock, logger: silentLogger });
    server?.start((event) => events.push(event));
    await rm(path.join(folder, "tls", "ca.key"));
    await clock.advance(75 * DAY_MS);
    await eventually("two events", () => events.length >= 2);
    server?.stop();
    expect(events[0]).toMatchObject({ reason: "CertificateRefused", message: expect.stringContaining("restore it") });
    expect(events[1]).toMatchObject({
      reason: "CertificateEndsSoon",
      message: expect.stringContaining("the event CertificateRefused says why"),
    });
  });
});
