import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { LIMITS } from "../../../control-plane/adapters/http/server/limits.ts";
import { HttpServer } from "../../../control-plane/adapters/http/server/server.ts";
import { createPostgres, type PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import { composeControlPlane } from "../../../control-plane/compose.ts";
import { readConfig } from "../../../control-plane/config.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { seededRandom } from "../../../shared/base/random.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { silentLogger } from "../../support/silent-logger.ts";

let database: TestDatabase;
let postgres: PostgresStores;
let directory: string;
const parts = { clock: systemClock, random: seededRandom(1), logger: silentLogger };

beforeEach(async () => {
  database = await startTestDatabase();
  directory = await mkdtemp(join(tmpdir(), "skerry-start-"));
  postgres = await createPostgres({ url: database.url, ...parts });
});
afterEach(async () => {
  await postgres.close();
  await database.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Fails the first time as a PostgreSQL that is away, and counts how often it was asked. */
function awayOnce<Result>(work: () => Promise<Result>): { readonly call: () => Promise<Result>; asked: number } {
  const once = {
    asked: 0,
    call: (): Promise<Result> => {
      once.asked += 1;
      return once.asked === 1 ? Promise.reject(new SkerryError("DATABASE_UNAVAILABLE", "no answer")) : work();
    },
  };
  return once;
}

it("A start waits for a PostgreSQL that goes away in its middle", async () => {
  const config = readConfig({ DATABASE_URL: database.url, SKERRY_DATA_DIR: directory });
  const id = awayOnce(() => postgres.controlPlaneId());
  const { sessions } = postgres;
  let replica: Parameters<typeof sessions.enter>[0] = { id: "", address: "" };
  const enter = awayOnce(() => sessions.enter(replica));
  const enterLater: typeof sessions.enter = (given) => {
    replica = given;
    return enter.call();
  };
  const slowSessions = new Proxy(sessions, {
    get(target, name) {
      if (name === "enter") return enterLater;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const stores: PostgresStores = { ...postgres, controlPlaneId: id.call, sessions: slowSessions };
  const http = new HttpServer({ clock: systemClock, limits: LIMITS });
  const controlPlane = await composeControlPlane(config, { ...parts, postgres: stores, http });
  await controlPlane.start();
  expect([id.asked, enter.asked]).toEqual([2, 2]);
  await controlPlane.stop();
});
