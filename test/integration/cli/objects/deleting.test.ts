import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { FakeApi, json, type Asked } from "../support/fake-api.ts";
import { nodeNamed } from "../support/objects.ts";

let api: FakeApi;
let env: NodeJS.ProcessEnv;
const cli = (...args: readonly string[]): Promise<CliResult> => runCli(args, { env });
const asked = (): readonly string[] =>
  api.asked.map(({ method, path, headers }) => `${method} ${path} ${headers["if-match"] ?? "-"}`);
const digits = {
  name: "digits",
  labels: { team: "vision", owner: "ada" },
  aliases: {},
  latestVersion: 1,
  createdAt: new Date(0).toISOString(),
};
/** Answers 204, as every deletion does. */
const gone = (route: string): void =>
  api.on(route, (_: Asked, response: ServerResponse) => json(response, 204, undefined));

beforeEach(async () => {
  api = new FakeApi();
  env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
});
afterEach(() => api.stop());

describe("deleting commands", () => {
  it("delete a version by its number, and a model as it was read", async () => {
    gone("DELETE /api/v1/models/digits/versions/3");
    const version = await cli("models", "rm", "digits:3");
    expect([version.exitCode, version.stderr]).toEqual([
      0,
      "digits:3 is deleted. Its number is not given again.\nNext: skerry models ls\n",
    ]);
    api.on("GET /api/v1/models/digits", digits, { headers: { ETag: '"4"' } });
    gone("DELETE /api/v1/models/digits");
    expect((await cli("models", "rm", "digits")).stderr).toContain(
      "The model digits is deleted, with all its versions.",
    );
    expect(asked()).toEqual([
      "DELETE /api/v1/models/digits/versions/3 *",
      "GET /api/v1/models/digits -",
      'DELETE /api/v1/models/digits "4"',
    ]);
  });

  it("name what still needs a version, with exit code 6", async () => {
    const detail = "digits:3 is needed by the alias champion: change or delete them first";
    api.problem("DELETE /api/v1/models/digits/versions/3", 409, "CONFLICT", detail);
    const { exitCode, stderr } = await cli("models", "rm", "digits:3");
    expect([exitCode, stderr]).toEqual([6, expect.stringContaining("needed by the alias champion")]);
  });

  it.each(["digits:champion", "digits:0", ":1", "digits:1:2"])("take no %s for a version", async (reference) => {
    expect((await cli("models", "rm", reference)).exitCode).toBe(64);
    expect(api.asked).toEqual([]);
  });

  it("delete an alias, a join token, a key and a node", async () => {
    gone("DELETE /api/v1/models/digits/aliases/champion");
    gone("DELETE /api/v1/join-tokens/t1");
    gone("DELETE /api/v1/api-keys/k1");
    api.on("GET /api/v1/nodes/edge-a", nodeNamed("edge-a"), { headers: { ETag: '"2"' } });
    gone("DELETE /api/v1/nodes/edge-a");
    const results = [
      await cli("models", "unalias", "digits", "champion"),
      await cli("token", "rm", "t1"),
      await cli("keys", "rm", "k1"),
      await cli("nodes", "rm", "edge-a"),
    ];
    expect(results.map(({ exitCode, stderr }) => [exitCode, stderr.split("\n")[0]])).toEqual([
      [0, "The alias champion of digits is deleted."],
      [0, "Join token t1 is void."],
      [0, "Key k1 is revoked."],
      [0, expect.stringContaining("edge-a")],
    ]);
  });
});

describe("label commands", () => {
  it.each(["models", "nodes"] as const)("set and remove labels of %s and keep the others", async (kind) => {
    const name = kind === "models" ? "digits" : "edge-a";
    const before = kind === "models" ? digits : nodeNamed("edge-a", { labels: digits.labels });
    api.on(`GET /api/v1/${kind}/${name}`, before, { headers: { ETag: '"9"' } });
    api.on(`PATCH /api/v1/${kind}/${name}`, before);
    const { exitCode, stderr } = await cli(kind, "label", name, "team=text", "owner-", "tier=gold=1");
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`${name} has the labels team=text tier=gold=1`);
    const change = api.asked.at(-1);
    expect([change?.method, change?.headers["if-match"], JSON.parse(change?.body.toString() ?? "")]).toEqual([
      "PATCH",
      '"9"',
      { labels: { team: "text", tier: "gold=1" } },
    ]);
  });

  it("refuse what is no change of a label before anything is asked for", async () => {
    api.on("GET /api/v1/models/digits", digits);
    expect((await cli("models", "label", "digits", "team")).exitCode).toBe(64);
    expect(api.asked.filter(({ method }) => method === "PATCH")).toEqual([]);
  });
});
