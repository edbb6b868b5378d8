import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { MadeSecrets } from "./made-secrets.ts";

const secret = "s_3-".repeat(11).slice(0, 43);
const token = `skj1.none.none.${"t".repeat(16)}.${secret}`;
let directory = "";

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-secrets-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("the secrets that a test made", () => {
  it.each([
    ["a key", { key: `sk_0123456789ab_${secret}` }],
    ["a join token", { token }],
    ["a code", { code: `sc_0123456789ab_${secret}` }],
  ])("are found in a log: %s", async (_, body) => {
    const made = new MadeSecrets();
    made.addFrom(body, "POST /things");
    await writeFile(path.join(directory, "edge-a.log"), `{"msg":"joined","with":"${secret}"}\n`);
    await writeFile(path.join(directory, "state.json"), secret);
    expect(await made.foundIn(directory)).toEqual(["edge-a.log has what POST /things made"]);
  });

  it("are not looked for in what is none", async () => {
    const made = new MadeSecrets();
    for (const body of [undefined, [], "text", { key: "name" }, { code: "NOT_FOUND" }, { token: 3 }])
      made.addFrom(body, "GET /");
    await writeFile(path.join(directory, "edge-a.log"), "name NOT_FOUND text");
    expect(await made.foundIn(directory)).toEqual([]);
  });
});
