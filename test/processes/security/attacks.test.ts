import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { weakFacts } from "../../../control-plane/settings/weak-settings.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { CHANNELS } from "../../../shared/protocol/limits.ts";
import { HostileNode } from "../../support/fakes/hostile-node.ts";
import { LocalApiRig, pair } from "../edge-node/support/local-api-rig.ts";
import { cookieOf, type Answer } from "../../integration/http/support/http-call.ts";
import { allSaid, AttackedControlPlane, said } from "./support/attacked-control-plane.ts";
import { joinBody, makeKey, makeToken } from "./support/joining.ts";
import { dialMiddle } from "./support/other-authority.ts";
import { bodyNames, pathNames } from "./support/path-names.ts";
import { openControl, openFromPage } from "./support/sockets.ts";
import { explosiveRegexps } from "../../integration/security/support/source-regexps.ts";

const DAY_MS = 86_400_000;
const at = new AttackedControlPlane();
const node = new LocalApiRig();
let sql: pg.Client;
let folder: string;

beforeAll(async () => {
  await Promise.all([at.start(), node.startHosts()]);
  await node.open();
  folder = await mkdtemp(path.join(tmpdir(), "skerry-attacks-"));
  sql = new pg.Client({ connectionString: at.database.url });
  await sql.connect();
}, 120_000);
afterAll(async () => {
  await sql?.end();
  await node.close();
  await node.stopHosts();
  await at.stop();
  await rm(folder, { recursive: true, force: true });
});

const join = (body: unknown, from?: string): Promise<Answer> =>
  at.askAsStranger("POST", "/api/v1/join", {
    body,
    ...(from !== undefined && { headers: { "X-Forwarded-For": from } }),
  });
const hostile = (name: string, aheadMs = 0): Promise<HostileNode> =>
  HostileNode.join(at, name, path.join(folder, name), { ...systemClock, wallNow: () => Date.now() + aheadMs });
/** Nothing fills up meanwhile: what a slow machine needs longer for is allowed no more. */
async function atOnce<Found>(work: () => Promise<Found>): Promise<Found> {
  at.clock.stoppedAt = systemClock.now();
  try {
    return await work();
  } finally {
    at.clock.stoppedAt = undefined;
  }
}
async function guessKeys(): Promise<Answer[]> {
  const headers = { "X-Forwarded-For": "192.0.2.1" };
  const answers: Answer[] = [];
  for (let n = 0; n < 80; n += 1) {
    const key = `sk_${String(n).padStart(12, "0")}_${"a".repeat(43)}`;
    answers.push(await at.askAsStranger("GET", "/api/v1/whoami", { key, headers }));
  }
  return answers;
}
async function guessTokens(): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let n = 0; n < 80; n += 1)
    answers.push(await join(joinBody({ id: "a".repeat(16), secret: "b".repeat(43) }, "x"), "192.0.2.2"));
  return answers;
}
const json = (text: string): Promise<Answer> =>
  at.ask("POST", "/api/v1/models", { bytes: Buffer.from(text), headers: { "Content-Type": "application/json" } });
const nodeJson = async (body: string): Promise<string> => {
  const { status, headers } = await node.call("/v2/repository/index", { method: "POST", body });
  return `${status} ${String(headers["skerry-error"])}`;
};

async function joinedTwice(): Promise<string> {
  const token = await makeToken(at, "used-up");
  await join(joinBody(token, "used-up"));
  return said(await join(joinBody(token, "used-up")));
}

async function joinedLate(): Promise<string> {
  const token = await makeToken(at, "too-late");
  await sql.query("UPDATE join_tokens SET expires_at = now() - interval '1 second' WHERE id = $1", [token.id]);
  return said(await join(joinBody(token, "too-late")));
}

/** A thief has the request of a join, but not the key that signed it: a node that he makes of the answer opens nothing. */
async function joinedAgain(): Promise<string> {
  const body = joinBody(await makeToken(at, "copied"), "copied");
  const [first, second] = [await join(body), await join(body)];
  const thief = { identity: { ...first.body, sign: (text: string) => signedBy(text) } } as HostileNode;
  const { became } = await openControl(at.port, thief);
  return first.body.nodeId === second.body.nodeId ? `the same node, then ${became}` : "another node";
}
const other = makeKey();
const signedBy = (_text: string): string => joinBody({ id: "x", secret: "y" }, "z", { key: other }).proof;

async function replayed(): Promise<string> {
  const victim = await hostile("replayed");
  const { became, recording } = await openControl(at.port, victim);
  return `${became}, then ${(await openControl(at.port, victim, recording)).became}`;
}

async function connectsWith({
  nodeMs = 0,
  controlPlaneMs = 0,
}: {
  nodeMs?: number;
  controlPlaneMs?: number;
}): Promise<string> {
  at.clock.skewMs = controlPlaneMs;
  try {
    const { body } = await at.ask("POST", "/api/v1/api-keys", {
      body: { name: `k${nodeMs}${controlPlaneMs}`, role: "viewer", ttlDays: 1 },
    });
    const key = said(await at.ask("GET", "/api/v1/whoami", { key: body.key }));
    const { became } = await openControl(
      at.port,
      await hostile(`clock-${nodeMs + 1}-${controlPlaneMs + 1}`.replaceAll("--", "-m"), nodeMs),
    );
    return `key ${key}, node ${became}`;
  } finally {
    at.clock.skewMs = 0;
  }
}

async function cookieFromPage(): Promise<string> {
  const cookie = cookieOf(await at.askAsStranger("POST", "/api/v1/session", { body: { key: at.adminKey } }));
  const headers = { Cookie: cookie, Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" };
  return said(await at.askAsStranger("POST", "/api/v1/nodes/x/cordon", { headers }));
}

const fromPage = async (headers: Record<string, string>): Promise<string> => {
  const { status, headers: answered } = await node.infer(pair, headers);
  return `${status} ${String(answered["skerry-error"])}`;
};

const nothingOdd = ({ odd, ...count }: { odd: readonly string[]; asked?: number; checked?: number }): string =>
  odd.length === 0 && (count.asked ?? count.checked ?? 0) > 20 ? "none" : odd.slice(0, 5).join("; ");

/** What is tried, how, and what comes back. `docs/security.md` shows the same rows. */
const ATTACKS: readonly (readonly [attack: string, tried: () => Promise<string>, answer: string])[] = [
  ["A join token that is used up", joinedTwice, "401 JOIN_REFUSED"],
  ["A join token that has expired", joinedLate, "401 JOIN_REFUSED"],
  [
    "A join token of another control plane",
    async () => said(await join(joinBody({ id: "a".repeat(16), secret: "b".repeat(43) }, "x"))),
    "401 JOIN_REFUSED",
  ],
  [
    "A join token with another secret",
    async () => said(await join(joinBody({ ...(await makeToken(at, "guess")), secret: "b".repeat(43) }, "guess"))),
    "401 JOIN_REFUSED",
  ],
  [
    "A join token for another name",
    async () => said(await join(joinBody(await makeToken(at, "right"), "wrong"))),
    "401 JOIN_REFUSED",
  ],
  [
    "A join for a key that the sender does not hold",
    async () => said(await join(joinBody(await makeToken(at, "proof"), "proof", { signer: makeKey() }))),
    "401 JOIN_REFUSED",
  ],
  ["A recorded join, sent again, and a session by what it answers", joinedAgain, "the same node, then 4401"],
  ["A recorded answer to a challenge, on another socket", replayed, "open, then 4401"],
  [
    "80 wrong API keys one after the other",
    async () => allSaid(await atOnce(guessKeys)),
    "401 UNAUTHENTICATED, then 429 RATE_LIMITED",
  ],
  [
    "A good API key meanwhile, from there",
    async () => said(await at.ask("GET", "/api/v1/whoami", { headers: { "X-Forwarded-For": "192.0.2.1" } })),
    "200",
  ],
  [
    "80 wrong join tokens one after the other",
    async () => allSaid(await atOnce(guessTokens)),
    "401 JOIN_REFUSED, then 429 RATE_LIMITED",
  ],
  ["The clock of a node a day ahead", () => connectsWith({ nodeMs: DAY_MS }), "key 200, node open"],
  ["The clock of a node a day behind", () => connectsWith({ nodeMs: -DAY_MS }), "key 200, node open"],
  ["The clock of a control plane a day ahead", () => connectsWith({ controlPlaneMs: DAY_MS }), "key 200, node open"],
  ["The clock of a control plane a day behind", () => connectsWith({ controlPlaneMs: -DAY_MS }), "key 200, node open"],
  [
    "Such a control plane in production",
    async () =>
      [1, -1]
        .map((sign) =>
          weakFacts({ clockAheadMs: sign * DAY_MS, firstKeyLeft: undefined }).length > 0 ? "does not start" : "starts",
        )
        .join(", "),
    "does not start, does not start",
  ],
  [
    "A machine in the middle with another authority, where the token pins a key",
    () => dialMiddle("pin"),
    "refused, 0 bytes sent",
  ],
  ["The same, where the node trusts an authority", () => dialMiddle("authority"), "refused, 0 bytes sent"],
  ...[...CHANNELS, "peer" as const].map(
    (where) => [`A page of another site opens the ${where} socket`, () => openFromPage(at.port, where), "403"] as const,
  ),
  ["A page of another site uses the session of a browser", cookieFromPage, "403 CSRF_REFUSED"],
  [
    "A page of another site asks a node that needs no key",
    () => fromPage({ origin: "https://evil.example" }),
    "403 ORIGIN_REFUSED",
  ],
  ["A page whose name was pointed at such a node", () => fromPage({ host: "evil.example:7090" }), "403 HOST_REFUSED"],
  [
    "Path characters in every name of a path: what is not 400, 404 or 405",
    async () => nothingOdd(await pathNames(at)),
    "none",
  ],
  ["Path characters in every name of a body: what is let through", async () => nothingOdd(await bodyNames(at)), "none"],
  ["JSON that is 10,000 levels deep", async () => said(await json("[".repeat(10_000))), "400 INVALID_REQUEST"],
  ["JSON with a key twice", async () => said(await json('{"name":"a","n\\u0061me":"b"}')), "400 INVALID_REQUEST"],
  ["JSON with `__proto__`", async () => said(await json('{"__proto__":{"isAdmin":true}}')), "400 INVALID_REQUEST"],
  [
    "The same three at a node",
    async () =>
      [
        ...new Set(
          await Promise.all(["[".repeat(10_000), '{"ready":true,"ready":false}', '{"__proto__":{}}'].map(nodeJson)),
        ),
      ].join(", "),
    "400 INVALID_REQUEST",
  ],
  ["Regular expressions that a short text can keep busy", async () => explosiveRegexps().join("; ") || "none", "none"],
];

describe("attacks that need no flaw of a library", () => {
  it.each(ATTACKS)(
    "%s",
    async (_attack, tried, answer) => {
      expect(await tried()).toBe(answer);
    },
    60_000,
  );

  it("are those of docs/security.md, with the same answers", async () => {
    const page = await readFile(new URL("../../../docs/security.md", import.meta.url), "utf8");
    const rows = [...page.matchAll(/^\| (.+) \| `(.+)` \|$/gm)].map(([, attack, answer]) => [attack, answer]);
    expect(rows).toEqual(ATTACKS.map(([attack, , answer]) => [attack, answer]));
  });
});
