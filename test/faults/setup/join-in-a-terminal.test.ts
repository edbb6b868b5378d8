import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort, SkerryProcess } from "../../support/processes/skerry-process.ts";

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const skerry = (args: readonly string[]): SkerryProcess =>
  new SkerryProcess("cli/main.ts", {
    args,
    env: { SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey, SKERRY_EXIT_WITH_PARENT: "0" },
    log: path.join(cluster.directory, "cli.log"),
  });

describe("skerry join", () => {
  it("adds a node with the one line that token create prints", async () => {
    const create = skerry(["token", "create", "--site", "quay", "--print-join"]);
    expect(await create.exited).toBe(0);
    const token = /skj1\.\S+/.exec(create.output)?.[0];
    if (token === undefined) throw new Error(`no token in: ${create.output}`);

    const directory = path.join(cluster.directory, "dock-7");
    const tokenFile = path.join(cluster.directory, "dock-7.token");
    await writeFile(tokenFile, `${token}\n`);
    const join = skerry([
      "join",
      "--token-file",
      tokenFile,
      "--server",
      cluster.url,
      "--name",
      "dock-7",
      "--dir",
      directory,
      "--local-port",
      String(await freePort()),
    ]);
    const node = await cluster.whenNode("dock-7", "ready", 60_000);
    expect(node).toMatchObject({ kind: "edge", site: "quay" });
    join.signal("SIGINT");
    expect(await join.exited).toBe(0);
  }, 120_000);

  it("says what is wrong with a token that was used already", async () => {
    const create = skerry(["token", "create", "--print-join"]);
    await create.exited;
    const token = /skj1\.\S+/.exec(create.output)?.[0] ?? "";
    const first = skerry([
      "join",
      token,
      "--server",
      cluster.url,
      "--name",
      "one",
      "--dir",
      path.join(cluster.directory, "one"),
      "--local-port",
      String(await freePort()),
    ]);
    await cluster.whenNode("one", "ready");
    const second = skerry([
      "join",
      token,
      "--server",
      cluster.url,
      "--name",
      "two",
      "--dir",
      path.join(cluster.directory, "two"),
      "--local-port",
      String(await freePort()),
    ]);
    expect(await second.exited).not.toBe(0);
    expect(second.output).toContain("skerry token create --print-join");
    first.signal("SIGINT");
    await first.exited;
  }, 120_000);
});
