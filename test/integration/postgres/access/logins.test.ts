import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { keyLimits } from "../../../../shared/api/v1/access/keys.ts";
import { ApiKeys, type Caller } from "../../../../control-plane/app/access/api-keys.ts";
import { LoginSessions } from "../../../../control-plane/app/access/login-sessions.ts";
import { keys } from "../../../../control-plane/adapters/system/ed25519.ts";
import type { KeyHolder } from "../../../../control-plane/ports/access/audit.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { alice, connect, openStores } from "../fixture.ts";
import { secretOf } from "../../../support/secret-of.ts";

const common = { keys, clock: systemClock, random: systemRandom, logger: silentLogger };

/** As a control plane has them. */
function aReplica(): { apiKeys: ApiKeys; logins: LoginSessions } {
  const apiKeys = new ApiKeys({ store: stores.keys, ...common });
  return { apiKeys, logins: new LoginSessions({ store: stores.logins, apiKeys, ...common }) };
}

let database: TestDatabase;
let stores: PostgresStores;
let sql: pg.Client;
let here: ReturnType<typeof aReplica>;
let there: ReturnType<typeof aReplica>;
let ana: Caller;
let actor: KeyHolder;
beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  sql = await connect(database.url);
  [here, there] = [aReplica(), aReplica()];
  ana = await aCaller("ana");
  actor = { ...alice, name: "ana", keyId: ana.keyId };
});

afterAll(async () => {
  await sql.end();
  await stores.close();
  await database.stop();
});

async function aCaller(name: string): Promise<Caller> {
  const made = await here.apiKeys.create(
    { name, role: "operator", models: [], modelLabels: {}, deployments: [], limits: keyLimits.parse({}) },
    alice,
  );
  const caller = await here.apiKeys.authenticate(made.key);
  if (!caller) throw new Error("the key is not taken");
  return caller;
}
const sessionsOf = async (keyId: string): Promise<readonly string[]> =>
  (await sql.query<{ id: string }>("SELECT id FROM login_sessions WHERE key_id = $1", [keyId])).rows.map(
    ({ id }) => id,
  );

describe("sessions in browsers", () => {
  it("hold at every control plane, and only their hash is in the database", async () => {
    const { cookie, caller } = await here.logins.open(ana, actor);
    expect(await there.logins.authenticate(cookie)).toEqual(caller);
    const { rows } = await sql.query("SELECT * FROM login_sessions");
    expect(JSON.stringify(rows)).not.toContain(secretOf(cookie));
    expect(await there.logins.authenticate(`${cookie.slice(0, -1)}${cookie.endsWith("A") ? "B" : "A"}`)).toBeNull();
  });

  it("end everywhere when they are ended at one control plane", async () => {
    const { cookie, caller } = await here.logins.open(ana, actor);
    const ended = Promise.withResolvers<void>();
    expect(await there.logins.authenticate(cookie)).not.toBeNull();
    there.logins.watch(caller.session, ana.keyId, ended.resolve);
    await here.logins.end(caller.session.id, actor);
    expect(await here.logins.authenticate(cookie)).toBeNull();
    there.logins.invalidate(); // as the notification does
    await ended.promise;
    await expect(here.logins.end(caller.session.id, actor)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("begin with a code at one control plane alone, when it is shown at two at once", async () => {
    const { code } = await here.logins.createCode(actor);
    const from = { address: "192.0.2.1", requestId: "r-1" };
    const opened = await Promise.all([here, there, here, there].map(({ logins }) => logins.openByCode(code, from)));
    const [session, ...others] = opened.filter((each) => each !== null);
    expect([session?.caller.name, others]).toEqual(["ana", []]);
    expect((await stores.audit.list({ before: null, limit: 1 }))[0]).toMatchObject({
      actor: "ana",
      keyId: ana.keyId,
      action: "session.open",
      target: `session/${session?.caller.session.id}`,
      address: "192.0.2.1",
      detail: { by: "code" },
    });
  });

  it("begin with no code of a key that is void", async () => {
    const bob = await aCaller("bob");
    const { code } = await here.logins.createCode({ ...actor, name: "bob", keyId: bob.keyId });
    await here.apiKeys.revoke(bob.keyId, alice);
    expect(await here.logins.openByCode(code, { address: "", requestId: "" })).toBeNull();
  });

  it("are at most twenty of a key, however many begin at once, and those that have ended are deleted", async () => {
    const eve = await aCaller("eve");
    const ofEve = { ...actor, name: "eve", keyId: eve.keyId };
    await here.logins.open(eve, ofEve);
    await sql.query("UPDATE login_sessions SET idle_until = now() - interval '1 s' WHERE key_id = $1", [eve.keyId]);
    const opened = await Promise.all(Array.from({ length: 24 }, () => here.logins.open(eve, ofEve)));
    const left = await sessionsOf(eve.keyId);
    expect(left).toHaveLength(20);
    const ids = opened.map(({ caller }) => caller.session.id);
    expect(left.every((id) => ids.includes(id))).toBe(true);
  });

  it("put their end off when they are used, and not once it has come", async () => {
    const { caller } = await here.logins.open(ana, actor);
    const { id } = caller.session;
    const leftMs = async (): Promise<number> => (await stores.logins.find(id))?.expiresInMs ?? NaN;
    await sql.query("UPDATE login_sessions SET idle_until = now() + interval '10 min' WHERE id = $1", [id]);
    await stores.logins.touch(id, 3_600_000);
    expect(await leftMs()).toBeGreaterThan(3_500_000);
    await sql.query("UPDATE login_sessions SET idle_until = now() - interval '1 s' WHERE id = $1", [id]);
    await stores.logins.touch(id, 3_600_000);
    expect(await leftMs()).toBeLessThan(0);
  });

  it("are refused to nobody while PostgreSQL is away, if they were in use", async () => {
    const { cookie } = await here.logins.open(ana, actor);
    const store = { ...stores.logins, find: stores.logins.find.bind(stores.logins), touch: async () => undefined };
    const logins = new LoginSessions({ store, apiKeys: here.apiKeys, ...common });
    expect(await logins.authenticate(cookie)).not.toBeNull();
    store.find = () => Promise.reject(new Error("away"));
    expect(await logins.authenticate(cookie)).not.toBeNull();
  });
});
