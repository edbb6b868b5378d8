import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { SkerryProcess } from "../../../support/processes/skerry-process.ts";

let database: TestDatabase;
let directory: string;
beforeAll(async () => {
  database = await startTestDatabase();
  directory = await mkdtemp(path.join(tmpdir(), "skerry-weak-"));
});
afterAll(async () => {
  await database.stop();
  await rm(directory, { recursive: true, force: true });
});

describe("a control plane in production", () => {
  it("ends with 78 and lists every weak setting at once, before it has changed anything", async () => {
    const before = await tables();
    const program = new SkerryProcess("control-plane/main.ts", {
      env: {
        SKERRY_PRODUCTION: "1",
        DATABASE_URL: database.url,
        SKERRY_HOST: "0.0.0.0",
        SKERRY_PORT: "0",
        SKERRY_TLS: "off",
        SKERRY_DATA_DIR: path.join(directory, "data"),
        SKERRY_CORS_ORIGINS: "*",
        NODE_TLS_REJECT_UNAUTHORIZED: "0",
      },
      log: path.join(directory, "control-plane.log"),
    });
    expect(await program.exited).toBe(78);
    const { output } = program;
    expect(output).toContain("these settings are too weak for production (SKERRY_PRODUCTION=1)");
    for (const name of ["SKERRY_TLS", "SKERRY_CORS_ORIGINS", "NODE_TLS_REJECT_UNAUTHORIZED"])
      expect(output).toContain(`  ${name}: `);
    if (process.getuid?.() === 0) expect(output).toContain("  uid: ");
    expect(output).not.toContain(new URL(database.url).password);
    expect(await tables()).toEqual(before);
  }, 60_000);
});

async function tables(): Promise<unknown> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query(
    "SELECT (SELECT count(*) FROM api_keys) AS keys, (SELECT count(*) FROM settings) AS settings",
  );
  await client.end();
  return rows;
}
