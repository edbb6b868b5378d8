import { afterAll, beforeAll } from "@jest/globals";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { openStores } from "./fixture.ts";

let database: TestDatabase;
/** Of the test file that imports them, on a database of its own: there from before its first test until after its last. */
export let stores: PostgresStores;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
});
afterAll(async () => {
  await stores.close();
  await database.stop();
});
