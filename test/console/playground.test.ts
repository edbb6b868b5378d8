import { spawnSync } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { findBrowser, launch } from "./support/browser.ts";
import { type ConsolePage, openConsolePage } from "./support/console-page.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const DIGITS = path.join(ROOT, "examples/digits");
const PATIENCE_MS = 90_000;
const executable = findBrowser();
const inBrowser = executable === undefined ? describe.skip : describe;

let database: TestDatabase;
let cluster: SkerryCluster;
let browser: Browser;
let admin: ConsolePage;
let folder: string;

const deployed = async (model: string): Promise<void> => {
  await cluster.deploy({ name: model, model, version: 1, placement: { edge: { min: 1 } } });
  await cluster.whenDeploymentReady(model, PATIENCE_MS);
};

beforeAll(async () => {
  if (executable === undefined) return;
  spawnSync(process.execPath, ["scripts/build-console.mjs"], { cwd: ROOT, stdio: "inherit" });
  folder = await mkdtemp(path.join(tmpdir(), "skerry-playground-"));
  await copyFile(path.join(DIGITS, "seven.png"), path.join(folder, "seven.png"));
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  browser = await launch(executable);
  await cluster.addNode("edge-a");
  const files = ["pipeline.yaml", "models/digits.onnx"] as const;
  const bundle = await Promise.all(
    files.map(async (name) => [name, new Uint8Array(await readFile(path.join(DIGITS, name)))] as const),
  );
  await cluster.publishBundle("read-digit", Object.fromEntries(bundle), {
    runtime: "pipeline",
    main: "pipeline.yaml",
  });
  await cluster.publish("half", identityModel("FP16", ["n", 2]));
  await deployed("read-digit");
  await deployed("half");
  admin = await openConsolePage(browser, cluster.url, { viewport: { width: 1280, height: 900 } });
  await admin.signIn(cluster.adminKey);
}, 300_000);
afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
  await database?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

/** The program that the page shows for its request. */
async function programIn(language: string): Promise<string> {
  await admin.page.getByRole("button", { name: language, exact: true }).click();
  return admin.page.getByLabel(`The request in ${language}`).innerText();
}

/** What it prints where the file lies. */
function run(command: string, ...args: readonly string[]): string {
  const env = { ...process.env, SKERRY_API_KEY: cluster.adminKey };
  return spawnSync(command, args, { cwd: folder, env, encoding: "utf8", timeout: 60_000 }).stdout;
}

inBrowser("a pipeline in the playground", () => {
  it("decides about a picture that is chosen, and says which stages it passed", async () => {
    await admin.open("/playground?model=read-digit");
    await admin.page.getByRole("button", { name: "Ask" }).click();
    await admin.shows("photo: choose a file, or type a text");
    await admin.page.getByLabel("Files of photo").setInputFiles(path.join(folder, "seven.png"));
    await admin.shows(/^seven\.png, \d+ B$/);
    await admin.page.getByRole("button", { name: "Ask" }).click();
    const decision = admin.page.getByRole("region", { name: "Decision" });
    await decision.getByText(/^Decided: 7, with confidence (0\.9|1)/).waitFor();
    await decision.getByText("Passed pre+infer+decide, decided by argmax").waitFor();
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("decides about each of several pictures, which are dropped", async () => {
    const bytes = [...(await readFile(path.join(folder, "seven.png")))];
    const dropped = await admin.page.evaluateHandle(
      `(() => { const transfer = new DataTransfer();
        for (const name of ["a.png", "b.png"]) transfer.items.add(new File([Uint8Array.from(${JSON.stringify(bytes)})], name));
        return transfer; })()`,
    );
    await admin.page.locator(".playground .drop").dispatchEvent("drop", { dataTransfer: dropped });
    await admin.shows(/^a\.png, \d+ B · b\.png, \d+ B$/);
    await admin.page.getByRole("button", { name: "Ask" }).click();
    const rows = admin.page.getByRole("table", { name: "Decisions" }).getByRole("row");
    await rows.nth(1).waitFor();
    expect(await rows.allInnerTexts()).toEqual([expect.stringMatching(/^1\s+7\s/), expect.stringMatching(/^2\s+7\s/)]);
  }, 120_000);

  it("is asked by the programs that the page shows, with the file named in them", async () => {
    await admin.page.getByLabel("Files of photo").setInputFiles(path.join(folder, "seven.png"));
    await admin.shows(/^seven\.png, \d+ B$/);
    await admin.page.getByText("As a program", { exact: true }).click();
    const decided = /decision['"].{0,120}['"]7['"]/s;
    await writeFile(path.join(folder, "ask.mjs"), await programIn("Node"));
    expect(run(process.execPath, "ask.mjs")).toMatch(decided);
    expect(run("sh", "-c", await programIn("curl"))).toMatch(decided);
    await writeFile(path.join(folder, "ask.py"), await programIn("Python"));
    expect(run("python3", "ask.py")).toMatch(decided);
  }, 120_000);

  it("takes a text in place of a file, and says why the pipeline refuses it", async () => {
    await admin.page.getByRole("button", { name: "Type a text instead" }).click();
    await admin.page.getByLabel(/^photo, BYTES/).fill("no picture");
    await admin.page.getByRole("button", { name: "Ask" }).click();
    const refused = admin.page.getByRole("alert");
    await refused.waitFor();
    expect(await refused.innerText()).toContain("decode-image");
  }, 120_000);

  it("shows its stages and both signatures on the page of its version", async () => {
    await admin.open("/models/read-digit?version=1");
    const pipeline = admin.page.getByRole("region", { name: "Pipeline of read-digit:1" });
    await pipeline.getByText("pre+infer+decide").waitFor();
    await pipeline.getByText("argmax").waitFor();
    await pipeline.getByText("[any, 1, 28, 28]").waitFor();
    await admin.page.getByRole("region", { name: "Signature of read-digit:1" }).getByText("photo").waitFor();
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);
});

inBrowser("a model with FP16 tensors", () => {
  it("is asked with numbers as they are typed, and answers numbers", async () => {
    await admin.open("/playground?model=half");
    await admin.page.getByRole("textbox").fill("1.5, -2");
    await admin.page.getByRole("button", { name: "Ask" }).click();
    const scores = admin.page.getByRole("table", { name: /^Scores of/ }).getByRole("row");
    await scores.nth(1).waitFor();
    expect((await scores.allInnerTexts()).join(" ")).toMatch(/1\.5[^]*-2/);
  }, 120_000);

  it("says what changes for callers with another version", async () => {
    await cluster.publish("half", identityModel("FP32", ["n", 2]));
    await admin.open("/models/half?version=2");
    await admin.page.getByLabel("Compare with version").selectOption("1");
    await admin.shows("Callers notice");
    await admin.shows(/FP16 \[any, 2\] → FP32 \[any, 2\]/);
    expect(admin.page.url()).toContain("against=1");
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);
});

inBrowser("the whole time", () => {
  it("asks no other origin, and breaks no rule of the browser", () => {
    expect([admin.foreign, admin.complaints]).toEqual([[], []]);
  });
});
