import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { ended } from "../clients/ended.ts";
import { MINILM_FOLDER } from "../support/models/text/minilm.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { scriptWithPackages } from "../support/processes/npm-environment.ts";
import { pythonWith } from "../support/processes/engines/python-environment.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";

/** A real encoder, published by the example's own script and asked by the clients that people have. */

const EXAMPLE = path.join(import.meta.dirname, "../../examples/embed");
const run = promisify(execFile);

let database: TestDatabase;
let cluster: SkerryCluster;
let python: string;
let said: string;

beforeAll(async () => {
  python = await pythonWith(path.join(import.meta.dirname, "requirements-embeddings.txt"));
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
  const env = { ...process.env, SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey };
  const pushed = await run(path.join(EXAMPLE, "start.sh"), [path.dirname(MINILM_FOLDER)], {
    cwd: path.join(EXAMPLE, "../.."),
    env,
  });
  said = pushed.stderr + pushed.stdout;
}, 900_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

/** Lines of checks, of which none may have failed. */
async function checksOf(program: string, script: string, more: readonly string[] = []): Promise<number> {
  const { code, stdout, stderr } = await ended(program, [
    script,
    `${cluster.url}/v1`,
    cluster.adminKey,
    "minilm",
    ...more,
  ]);
  const lines = stdout.split("\n").filter((line) => /^(ok|FAILED) /.test(line));
  const failed = lines.filter((line) => !line.startsWith("ok"));
  expect({ code, failed, stderr: code === 0 && failed.length === 0 ? "" : stderr }).toEqual({
    code: 0,
    failed: [],
    stderr: "",
  });
  return lines.length;
}

describe("all-MiniLM-L6-v2, 8 bit", () => {
  it("is recognised by its folder", () => {
    expect(said).toMatch(/is a model of sentence-transformers: model\.onnx is pushed/);
    expect(said).toContain(
      "It makes embeddings: bert, 384 numbers, pooled by mean, of the length 1, of texts of up to 256 tokens.",
    );
    expect(said).toMatch(/A replica needs \d+ MiB/);
  });

  it("gives openai of PyPI the embeddings of sentence-transformers, for texts of ten scripts", async () => {
    const script = path.join(import.meta.dirname, "embeddings.py");
    expect(await checksOf(python, script, [MINILM_FOLDER])).toBe(16);
  }, 300_000);

  it("is served to openai, LangChain and the AI SDK of npm", async () => {
    const script = await scriptWithPackages(path.join(import.meta.dirname, "npm/embeddings.mjs"));
    expect(await checksOf(process.execPath, script)).toBe(7);
  }, 300_000);

  it("lets its texts share runs, as its weights alone have 8 bits", async () => {
    const [placement] = await cluster.placements("minilm");
    expect(placement?.sharing).toEqual({ isShared: true, reason: "trials found no difference" });
  });

  it("answers the commands of the example's page and of the documentation", async () => {
    const here = (text: string): string =>
      text
        .replaceAll("http://127.0.0.1:7070", cluster.url)
        .replaceAll("$(cat .skerry/admin.key)", cluster.adminKey)
        .replaceAll('open(".skerry/admin.key").read().strip()', JSON.stringify(cluster.adminKey));
    const page = await readFile(path.join(EXAMPLE, "README.md"), "utf8");
    const documentation = await readFile(path.join(EXAMPLE, "../../docs/large-models.md"), "utf8");
    const blocks = (text: string, language: string): string[] =>
      [...text.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "gs"))].map(([, code = ""]) => here(code));
    const asking = [...blocks(page, "sh"), ...blocks(documentation, "sh")].filter((code) =>
      code.includes("embeddings"),
    );
    expect(asking).toHaveLength(2);
    for (const command of asking)
      expect(JSON.parse((await run("bash", ["-c", command])).stdout)).toMatchObject({
        object: "list",
        model: "minilm",
      });
    const [code = ""] = blocks(page, "python");
    expect((await run(python, ["-c", code])).stdout.trim()).toBe("True");
  }, 60_000);
});
