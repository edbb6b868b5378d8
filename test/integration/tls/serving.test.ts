import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { LIMITS } from "../../../control-plane/adapters/http/server/limits.ts";
import { HttpServer } from "../../../control-plane/adapters/http/server/server.ts";
import { readCertificate } from "../../../control-plane/adapters/tls/certificate-files.ts";
import { certificatesOf } from "../../../control-plane/adapters/tls/certificate-check.ts";
import { OwnAuthority } from "../../../control-plane/adapters/tls/own-authority.ts";
import { WatchedCertificate } from "../../../control-plane/adapters/tls/watched-certificate.ts";
import type { NewEvent } from "../../../control-plane/ports/events.ts";
import { pinnedConnect } from "../../../edge-node/adapters/system/pinned-connect.ts";
import { eventually } from "../../support/eventually.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { TestClock } from "../../support/test-clock.ts";

const DAY_MS = 86_400_000;
const EVERY_MS = 10_000;

/** Stands still like its parent, in the present: OpenSSL compares certificates with the machine's calendar. */
class PresentClock extends TestClock {
  readonly #start = Date.now() - this.now();

  override wallNow(): number {
    return this.#start + this.now();
  }
}

let folder: string;
let clock: PresentClock;
let authority: OwnAuthority;
let watched: WatchedCertificate;
let server: HttpServer;
let port: number;
let events: Omit<NewEvent, "object">[];
let agent: Agent;
const files = () => ({ certFile: path.join(folder, "tls.crt"), keyFile: path.join(folder, "tls.key") });

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-serving-"));
  clock = new PresentClock();
  authority = new OwnAuthority(path.join(folder, "authority"), () => clock.wallNow());
  await issue(["localhost"]);
  const load = () => readCertificate(files(), { authorities: undefined, now: clock.wallNow() });
  watched = new WatchedCertificate({
    pin: "none",
    first: await load(),
    load,
    everyMs: EVERY_MS,
    remedy: "replace it",
    clock,
    logger: silentLogger,
  });
  events = [];
  watched.start((event) => events.push(event));
  server = new HttpServer({ clock, limits: LIMITS, certificates: watched.certificates });
  port = await server.listen({ host: "127.0.0.1", port: 0 });
  server.serve(
    (_request, response) => void response.writeHead(200, ["Content-Length", "2"]).end("ok"),
    () => undefined,
  );
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
});

afterEach(async () => {
  agent.destroy();
  watched.stop();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function issue(names: readonly string[]): Promise<void> {
  const { cert, key } = await authority.certificateFor(names);
  await writeFile(files().certFile, cert);
  await writeFile(files().keyFile, key);
}

/** One request; resolves with the fingerprint of what the server showed on its connection, and its port there. */
function ask(of: Agent | false = false): Promise<{ readonly shown: string; readonly localPort: number | undefined }> {
  const [, ca] = certificatesOf(watched.current.cert);
  return new Promise((resolve, reject) => {
    request({ port, host: "localhost", family: 4, agent: of, ca: ca?.toString() }, (answer) => {
      const { localPort } = answer.socket;
      const shown = (answer.socket as TLSSocket).getPeerX509Certificate()?.fingerprint256 ?? "";
      answer.resume().once("end", () => resolve({ shown, localPort }));
    })
      .once("error", reject)
      .end();
  });
}

const fingerprint = (): string => certificatesOf(watched.current.cert)[0].fingerprint256;

/** It looks at the files, and says something of them: what it reads from the disk is there when no clock of ours decides. */
async function lookAgain(): Promise<void> {
  const before = events.length;
  await clock.advance(EVERY_MS);
  await eventually("it says what it found", () => events.length > before);
}

describe("a control plane with TLS", () => {
  it("shows a certificate that took the place of another to the next connection, and ends none for it", async () => {
    const before = await ask(agent);
    expect(before.shown).toBe(fingerprint());
    await issue(["localhost", "127.0.0.1"]);
    await lookAgain();
    expect(events.map(({ reason }) => reason)).toEqual(["CertificateChanged"]);
    expect((await ask(agent)).localPort).toBe(before.localPort);
    const fresh = await ask();
    expect(fresh.shown).toBe(fingerprint());
    expect(fresh.shown).not.toBe(before.shown);
  });

  it.each([
    ["no certificate", "tls.crt", "nothing", /holds no certificate/],
    ["a key of another certificate", "tls.key", undefined, /not the one of the first certificate/],
  ])("keeps the one before when the files hold %s, and says so once", async (_, file, text, why) => {
    const before = fingerprint();
    const other = new OwnAuthority(path.join(folder, "other"), () => clock.wallNow());
    await writeFile(path.join(folder, file), text ?? (await other.certificateFor(["localhost"])).key);
    await lookAgain();
    expect(events).toEqual([expect.objectContaining({ type: "Warning", reason: "CertificateRefused" })]);
    expect(events[0]?.message).toMatch(why);
    expect(events[0]?.message).not.toContain("PRIVATE");
    await clock.advance(EVERY_MS);
    expect((await ask()).shown).toBe(before);
    expect(events).toHaveLength(1);
  });

  it("warns daily when nobody renews a certificate that is near its end", async () => {
    const warned = (): number => events.filter(({ reason }) => reason === "CertificateEndsSoon").length;
    await clock.advance(73 * DAY_MS);
    await eventually("it warns", async () => {
      await clock.advance(EVERY_MS);
      return warned() > 0;
    });
    expect(warned()).toBeLessThanOrEqual(2);
  });

  it("is refused by a caller that trusts another authority, and by a node with another pin", async () => {
    const other = new OwnAuthority(path.join(folder, "other"), () => clock.wallNow());
    const { cert } = await other.certificateFor(["localhost"]);
    const [, ca] = certificatesOf(cert);
    await expect(
      new Promise((resolve, reject) => {
        request({ port, host: "localhost", family: 4, agent: false, ca: ca?.toString() }, resolve)
          .once("error", reject)
          .end();
      }),
    ).rejects.toThrow(/self-signed certificate in certificate chain|unable to verify/);
    const dial = (policy: { pin: string; authorities?: string }) =>
      pinnedConnect(
        { isNetworkTrusted: false, ...policy },
        new URL(`wss://localhost:${port}`),
        AbortSignal.timeout(30_000),
      ).then((socket) => void socket.destroy());
    await expect(dial({ pin: "x".repeat(43) })).rejects.toThrow(
      "no certificate in the peer's chain has the pinned key",
    );
    await expect(dial({ pin: "none", authorities: ca?.toString() ?? "" })).rejects.toThrow(
      /self-signed|unable to verify/,
    );
    const [, own] = certificatesOf(watched.current.cert);
    await expect(dial({ pin: "none", authorities: own?.toString() ?? "" })).resolves.toBeUndefined();
  });

  it("says nothing to a caller without TLS", async () => {
    const answered = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connectTcp({ port, host: "127.0.0.1" }, () =>
        socket.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"),
      );
      socket.on("data", (data) => (text += data.toString("latin1")));
      socket.on("error", () => undefined);
      socket.once("close", () => resolve(text));
    });
    expect(answered).not.toContain("HTTP/1.1 2");
  });
});
