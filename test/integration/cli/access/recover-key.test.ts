import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { ApiKeys } from "../../../../control-plane/app/access/api-keys.ts";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { openStores } from "../../postgres/fixture.ts";
import { keys } from "../../../../control-plane/adapters/system/ed25519.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { runCli } from "../../../unit/cli/support/run-cli.ts";

const parts = { clock: systemClock, random: systemRandom, logger: silentLogger };
let database: TestDatabase;
let postgres: PostgresStores;

beforeAll(async () => {
  database = await startTestDatabase();
  postgres = await openStores(database.url);
}, 120_000);
afterAll(async () => {
  await postgres?.close();
  await database?.stop();
});

it("`keys recover` makes an admin key in the database, prints it once, and the audit log says so", async () => {
  const path = process.env["PATH"];
  const { exitCode, stdout, stderr } = await runCli(["keys", "recover"], {
    env: { DATABASE_URL: database.url, PATH: path },
  });
  expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^sk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n$/)]);
  const apiKeys = new ApiKeys({ store: postgres.keys, keys, ...parts });
  expect(await apiKeys.authenticate(stdout.trim())).toMatchObject({ name: "recovered-admin", role: "admin" });
  const [entry] = await postgres.audit.list({ before: null, limit: 1 });
  expect(entry).toMatchObject({ actor: expect.stringContaining("keys recover"), address: "database" });
  expect(stderr).not.toContain(stdout.trim());
}, 120_000);

it("`keys recover` without a database says which setting it needs", async () => {
  const { exitCode, stderr } = await runCli(["keys", "recover"], { env: {} });
  expect([exitCode, stderr]).toEqual([64, expect.stringContaining("DATABASE_URL is not set")]);
});
