import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { createHash } from "node:crypto";
import type { KnownCaller } from "../../../../edge-node/ports/disk.ts";
import { type Answered, LocalApiRig, pair, turns } from "../support/local-api-rig.ts";
import { TestClock } from "../../../support/test-clock.ts";
import { until } from "../../../support/processes/skerry-process.ts";

const rig = new LocalApiRig();
const { call, infer } = rig;
beforeAll(() => rig.startHosts());
afterAll(() => rig.stopHosts());
afterEach(() => rig.close());

let clock: TestClock;
const secret = "s".repeat(43);
const hash = createHash("sha256").update(secret).digest("hex");
const LIMITED = "0123456789ab";
const FREE = "ba9876543210";
const as = (id: string): Record<string, string> => ({ authorization: `Bearer sk_${id}_${secret}` });
const aKey = (id: string, limits: KnownCaller["limits"]): KnownCaller => ({
  id,
  hash,
  role: "operator",
  models: null,
  expiresAt: null,
  ...(limits && { limits }),
});
const openWith = (limits: KnownCaller["limits"]): Promise<void> => {
  const keys = new Map([
    [LIMITED, aKey(LIMITED, limits)],
    [FREE, aKey(FREE, undefined)],
  ]);
  clock = new TestClock();
  return rig.open({}, undefined, { apiKeys: { find: (id) => keys.get(id) }, limitsClock: clock });
};
const shown = ({ status, headers }: Answered): unknown[] => [status, headers["skerry-error"] ?? "OK"];
const reached = async (limit: string): Promise<string | undefined> => {
  const text = (await call("/metrics", { headers: as(FREE) })).bytes.toString();
  return new RegExp(`skerry_node_limits_reached_total\\{limit="${limit}"\\} (\\d+)`).exec(text)?.[1];
};

describe("limits of a key at a node's own address", () => {
  it("are its requests of a minute, of all kinds, and count for this key alone", async () => {
    await openWith({ requestsPerMinute: 3, concurrency: null });
    expect(shown(await infer(pair, as(LIMITED)))).toEqual([200, "OK"]);
    expect((await call("/v2/models", { headers: as(LIMITED) })).status).toBe(200);
    expect((await call("/v2/models/same", { headers: as(LIMITED) })).status).toBe(200);
    const refused = await infer(pair, as(LIMITED));
    expect(shown(refused)).toEqual([429, "RATE_LIMITED"]);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    expect(shown(await infer(pair, as(FREE)))).toEqual([200, "OK"]);
    expect(await reached("requests")).toBe("1");
    await clock.advance(20_000);
    expect(shown(await infer(pair, as(LIMITED)))).toEqual([200, "OK"]);
  });

  it("are its requests to models at once, until each was answered or its caller has gone", async () => {
    await openWith({ requestsPerMinute: null, concurrency: 1 });
    const gone = new AbortController();
    const long = fetch(`http://127.0.0.1:${rig.port}/v2/models/loop/infer`, {
      method: "POST",
      headers: { ...as(LIMITED), "content-type": "application/json" },
      body: JSON.stringify(turns(1_000_000)),
      signal: gone.signal,
    }).catch(() => undefined);
    await until("it runs", () => rig.worker.load().rif === 1);
    expect(shown(await infer(pair, as(LIMITED)))).toEqual([429, "RATE_LIMITED"]);
    expect((await call("/v2/models", { headers: as(LIMITED) })).status).toBe(200);
    expect(shown(await infer(pair, as(FREE)))).toEqual([200, "OK"]);
    gone.abort();
    await long;
    await until("it was left", async () => (await infer(pair, as(LIMITED))).status === 200);
    // One after the other, none is left behind.
    for (let n = 0; n < 3; n += 1) expect(shown(await infer(pair, as(LIMITED)))).toEqual([200, "OK"]);
    expect(Number(await reached("concurrency"))).toBeGreaterThan(0);
  });
});

describe("those who guess keys of a node", () => {
  beforeEach(() => openWith(undefined));

  it("are slowed down by their address, and lock out no key that is in use", async () => {
    expect(shown(await infer(pair, as(FREE)))).toEqual([200, "OK"]);
    const guesses = await Promise.all(
      Array.from({ length: 80 }, (_, n) => call("/v2/models", { headers: { authorization: `Bearer guess-${n}` } })),
    );
    const answers = new Set(guesses.map((answer) => String(shown(answer))));
    expect(answers).toEqual(new Set(["401,UNAUTHENTICATED", "429,RATE_LIMITED"]));
    // A good key that nobody used yet could be a guess that was right.
    expect((await call("/v2/models", { headers: as(LIMITED) })).status).toBe(429);
    await clock.advance(1_000);
    expect((await call("/v2/models", { headers: as(LIMITED) })).status).toBe(200);
    expect(shown(await infer(pair, as(FREE)))).toEqual([200, "OK"]);
    expect(Number(await reached("failures"))).toBeGreaterThan(0);
  });
});
