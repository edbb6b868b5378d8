import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import { connect } from "../../integration/postgres/fixture.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster, type ClusterNode } from "../../support/processes/skerry-cluster.ts";
import { freePort, SkerryProcess, until } from "../../support/processes/skerry-process.ts";

let database: TestDatabase;
let cluster: SkerryCluster;
let sql: pg.Client;
const started: SkerryProcess[] = [];

beforeAll(async () => {
  database = await startTestDatabase();
  sql = await connect(database.url);
  cluster = await SkerryCluster.start(database.url);
}, 120_000);
afterAll(async () => {
  await Promise.all(started.map((process) => process.stop()));
  await cluster?.stop();
  await sql?.end();
  await database?.stop();
});

const replaceToken = async (name: string): Promise<string> =>
  (await cluster.post<{ token: string }>(`/nodes/${name}/replace`, { why: "its disk is broken" })).token;

async function startNode(name: string, stateDir: string, env: NodeJS.ProcessEnv): Promise<SkerryProcess> {
  const process = new SkerryProcess("edge-node/main.ts", {
    env: {
      SKERRY_STATE_DIR: stateDir,
      SKERRY_LOCAL_PORT: String(await freePort()),
      SKERRY_NODE_NAME: name,
      SKERRY_URL: cluster.url,
      ...env,
    },
    log: path.join(cluster.directory, `${name}-again.log`),
  });
  started.push(process);
  return process;
}

interface Row {
  readonly id: string;
  readonly publicKey: string;
  readonly generation: number;
}
const rowOf = async (name: string): Promise<Row> => {
  const found = await sql.query<Row>('SELECT id, public_key AS "publicKey", generation FROM nodes WHERE name = $1', [
    name,
  ]);
  const [row] = found.rows;
  if (row === undefined) throw new Error(`there is no node ${name}`);
  return row;
};

describe("a machine that takes the place of a node", () => {
  it("is the node from then on, and the old machine is sent away at once", async () => {
    const old = await cluster.addNode("dock-1");
    const before = await rowOf("dock-1");
    const token = await replaceToken("dock-1");
    await startNode("dock-1", path.join(cluster.directory, "dock-1-new"), { SKERRY_JOIN_TOKEN: token });
    await until("the old machine was told", () => Promise.resolve(old.process.output.includes("its key is void")));
    await until(
      "the new machine is the node",
      async () => {
        const { state, epoch } = await cluster.get<{ state: string; epoch: number }>("/nodes/dock-1");
        return state === "ready" && epoch > 1;
      },
      60_000,
    );
    expect(await rowOf("dock-1")).toMatchObject({ id: before.id, generation: 2 });
  }, 150_000);
});

describe("a node that a restored database does not know by its present key", () => {
  let node: ClusterNode;

  it("gets in by the key before, and has a new one then", async () => {
    node = await cluster.addNode("dock-2");
    const backup = await rowOf("dock-2");
    await node.process.stop();
    await sql.query("UPDATE nodes SET key_made_at = now() - interval '50 days' WHERE name = 'dock-2'");
    node.restart();
    await until("its key was replaced", async () => (await rowOf("dock-2")).publicKey !== backup.publicKey);
    await node.process.stop();

    await sql.query(
      "UPDATE nodes SET public_key = $1, previous_key = NULL, key_made_at = now() - interval '60 days' WHERE name = 'dock-2'",
      [backup.publicKey],
    );
    node.restart();
    await cluster.whenNode("dock-2", "ready");
    await until("its key was replaced again", async () => (await rowOf("dock-2")).publicKey !== backup.publicKey);
    expect((await rowOf("dock-2")).generation).toBe(1);
  }, 150_000);

  it("joins again in its folder with a token that replaces it, when it knows none of its keys", async () => {
    await node.process.stop();
    await sql.query("UPDATE nodes SET public_key = repeat('A', 43), previous_key = NULL WHERE name = 'dock-2'");
    const { id } = await rowOf("dock-2");
    const token = await replaceToken("dock-2");
    await startNode("dock-2", node.stateDir, { SKERRY_JOIN_TOKEN: token, SKERRY_JOIN_AGAIN: "1" });
    await until(
      "it is ready",
      async () => {
        const { generation } = await rowOf("dock-2");
        return generation === 2 && (await cluster.get<{ state: string }>("/nodes/dock-2")).state === "ready";
      },
      60_000,
    );
    expect((await rowOf("dock-2")).id).toBe(id);
  }, 150_000);
});
