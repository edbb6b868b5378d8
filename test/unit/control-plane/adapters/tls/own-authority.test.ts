import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { certificatesOf, pinFor } from "../../../../../control-plane/adapters/tls/certificate-check.ts";
import { OwnAuthority } from "../../../../../control-plane/adapters/tls/own-authority.ts";

const DAY_MS = 86_400_000;
const START = Date.parse("2026-01-01T00:00:00Z");
let folder: string;
let now: number;
let authority: OwnAuthority;

beforeEach(async () => {
  folder = path.join(await mkdtemp(path.join(tmpdir(), "skerry-tls-")), "tls");
  now = START;
  authority = new OwnAuthority(folder, () => now);
});
afterEach(() => rm(path.dirname(folder), { recursive: true, force: true }));

const NAMES = ["cp.example", "10.0.0.7", "::1"];
const read = (name: string): Promise<string> => readFile(path.join(folder, name), "utf8");

describe("the own authority", () => {
  it("signs a certificate for every name, with itself behind it", async () => {
    const { cert } = await authority.certificateFor(NAMES);
    const [server, ca] = certificatesOf(cert);
    expect([server.checkHost("cp.example"), server.checkIP("10.0.0.7"), server.checkIP("::1")]).not.toContain(
      undefined,
    );
    expect([server.checkHost("other.example"), server.ca]).toEqual([undefined, false]);
    expect(server.verify((ca as X509Certificate).publicKey)).toBe(true);
    expect(pinFor(cert, undefined)).toBe(pinFor(await read("ca.pem"), undefined));
  });

  it("keeps its keys for its user alone", async () => {
    await authority.certificateFor(NAMES);
    const modes = await Promise.all(
      ["", "ca.key", "server.pem"].map(async (name) => (await stat(path.join(folder, name))).mode & 0o777),
    );
    expect(modes).toEqual([0o700, 0o600, 0o600]);
  });

  it("shows the same certificate until 30 days before its end, then another of the same authority", async () => {
    const first = await authority.certificateFor(NAMES);
    now += 59 * DAY_MS;
    expect((await authority.certificateFor(NAMES)).cert).toBe(first.cert);
    now += 2 * DAY_MS;
    const next = await authority.certificateFor(NAMES);
    expect(next.endsAt - now).toBe(90 * DAY_MS);
    expect(next.key).not.toBe(first.key);
    expect(pinFor(next.cert, undefined)).toBe(pinFor(first.cert, undefined));
  });

  it("makes another certificate for a name that the old one lacks", async () => {
    const first = await authority.certificateFor(NAMES);
    const next = await authority.certificateFor([...NAMES, "new.example"]);
    expect(next.cert).not.toBe(first.cert);
    expect(certificatesOf(next.cert)[0].checkHost("new.example")).toBeDefined();
  });

  it("renews itself in its last year with the key that is pinned", async () => {
    const first = await authority.certificateFor(NAMES);
    now += 3_300 * DAY_MS;
    const next = await authority.certificateFor(NAMES);
    expect(pinFor(next.cert, undefined)).toBe(pinFor(first.cert, undefined));
    expect(Date.parse(new X509Certificate(await read("ca.pem")).validTo) - now).toBe(3_650 * DAY_MS);
  });

  it("makes anew what a crash left half written", async () => {
    await authority.certificateFor(NAMES);
    const pin = pinFor(await read("ca.pem"), undefined);
    await rm(path.join(folder, "ca.pem"));
    await writeFile(path.join(folder, "server.pem"), "-----BEGIN PRIV");
    const { cert } = await authority.certificateFor(NAMES);
    expect(pinFor(cert, undefined)).toBe(pin);
  });

  it("refuses an authority without its key, or with another one", async () => {
    await authority.certificateFor(NAMES);
    const key = await read("ca.key");
    await rm(path.join(folder, "ca.key"));
    await expect(authority.certificateFor(NAMES)).rejects.toThrow(/ca\.key is not: restore it/);
    const [other] = (await read("server.pem")).split("-----BEGIN CERTIFICATE-----");
    await writeFile(path.join(folder, "ca.key"), other ?? "");
    await expect(authority.certificateFor(NAMES)).rejects.toThrow(/is not the key of/);
    await writeFile(path.join(folder, "ca.key"), key);
    await expect(authority.certificateFor(NAMES)).resolves.toBeDefined();
  });
});
