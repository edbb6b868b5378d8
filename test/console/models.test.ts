import { spawnSync } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import type { ModelVersion } from "../../shared/api/v1/models.ts";
import { largeBundle } from "../support/models/onnx/large-model.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { findBrowser, launch } from "./support/browser.ts";
import { type ConsolePage, openConsolePage } from "./support/console-page.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const DIGITS = path.join(ROOT, "examples/digits/models/digits.onnx");
const PATIENCE_MS = 90_000;
const executable = findBrowser();
const inBrowser = executable === undefined ? describe.skip : describe;

let database: TestDatabase;
let cluster: SkerryCluster;
let browser: Browser;
let admin: ConsolePage;
let node: ClusterNode;

beforeAll(async () => {
  if (executable === undefined) return;
  spawnSync(process.execPath, ["scripts/build-console.mjs"], { cwd: ROOT, stdio: "inherit" });
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  browser = await launch(executable);
  node = await cluster.addNode("edge-a");
  admin = await openConsolePage(browser, cluster.url, { viewport: { width: 1280, height: 900 } });
  await admin.signIn(cluster.adminKey);
}, 240_000);
afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
  await database?.stop();
});

inBrowser("a model in the console", () => {
  it("comes from a file, over a connection that breaks", async () => {
    await admin.open("/models");
    await admin.shows("There are no models yet");
    let isCut = false;
    await admin.page.route("**/api/v1/uploads/**", async (route) => {
      const cut = route.request().method() === "PUT" && !isCut;
      if (cut) isCut = true;
      await (cut ? route.abort("connectionreset") : route.continue());
    });
    await admin.page.getByLabel("Files of a model").setInputFiles(DIGITS);
    await admin.page.getByLabel("Model that it is a version of").fill("digits");
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.page.getByRole("button", { name: "Publish" }).click();
    await admin.shows("is ready.");
    expect(isCut).toBe(true);
    await admin.page.unroute("**/api/v1/uploads/**");
  }, 120_000);

  it("is there already when the same file comes once more", async () => {
    await admin.open("/models/digits");
    await admin.page.getByLabel("Files of a model").setInputFiles(DIGITS);
    await admin.page.getByRole("button", { name: "Publish" }).click();
    await admin.shows("has these files already.");
    expect((await cluster.get<{ items: readonly unknown[] }>("/models/digits/versions")).items).toHaveLength(1);
  }, 120_000);

  it("comes from a folder with its external data, over a connection that breaks in the middle", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "skerry-folder-"));
    const bundle = path.join(folder, "my net");
    await mkdir(path.join(bundle, "more"), { recursive: true });
    for (const [name, bytes] of Object.entries(largeBundle(1, 3))) await writeFile(path.join(bundle, name), bytes);
    await writeFile(path.join(bundle, ".hidden"), "not part of it");
    await admin.open("/models");
    let puts = 0;
    await admin.page.route("**/api/v1/uploads/**", async (route) => {
      if (route.request().method() === "PUT") puts += 1;
      await (puts === 2 && route.request().method() === "PUT" ? route.abort("connectionreset") : route.continue());
    });
    await admin.page.getByLabel("Folder of a model").setInputFiles(bundle);
    await admin.shows("3 files");
    expect(await admin.page.getByLabel("Model that it is a version of").inputValue()).toBe("my-net");
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.page.getByRole("button", { name: "Publish" }).click();
    await admin.shows("is ready.");
    await admin.page.unroute("**/api/v1/uploads/**");
    expect(puts).toBeGreaterThanOrEqual(4);
    const { items } = await cluster.get<{ items: readonly ModelVersion[] }>("/models/my-net/versions");
    const paths = ["more/two.bin", "net.onnx", "net.onnx.data"];
    expect(items.map(({ main, files }) => [main, files.map((file) => file.path)])).toEqual([["net.onnx", paths]]);
    await rm(folder, { recursive: true });
  }, 180_000);

  it("goes on in another window with what one that was closed had begun", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "skerry-folder-"));
    for (const [name, bytes] of Object.entries(largeBundle(1, 3))) {
      await mkdir(path.dirname(path.join(folder, "net", name)), { recursive: true });
      await writeFile(path.join(folder, "net", name), bytes);
    }
    const putsOf = async (isClosed: (put: number) => boolean): Promise<readonly string[]> => {
      const window = await openConsolePage(browser, cluster.url);
      await window.signIn(cluster.adminKey);
      await window.open("/models");
      const puts: string[] = [];
      const held = new Promise<void>((resolve) => {
        void window.page.route("**/api/v1/uploads/**", async (route) => {
          if (route.request().method() !== "PUT") return route.continue();
          puts.push(route.request().url());
          if (isClosed(puts.length)) return resolve();
          return route.continue();
        });
      });
      await window.page.getByLabel("Folder of a model").setInputFiles(path.join(folder, "net"));
      await window.page.getByLabel("Model that it is a version of").fill("begun");
      await window.page.getByRole("button", { name: "Publish" }).click();
      await Promise.race([held, window.shows("is ready.")]);
      await window.page.context().close();
      return puts;
    };
    const [first] = await putsOf((put) => put === 2);
    const puts = await putsOf(() => false);
    expect(puts.length).toBeGreaterThan(0);
    expect(puts).not.toContain(first);
    expect((await cluster.get<{ items: readonly unknown[] }>("/models/begun/versions")).items).toHaveLength(1);
    await rm(folder, { recursive: true });
  }, 180_000);

  it("is chosen among the graphs of a folder, and what is no model says what it is", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "skerry-folder-"));
    const graphs = path.join(folder, "two");
    await mkdir(graphs);
    for (const name of ["a.onnx", "b.onnx"]) await copyFile(DIGITS, path.join(graphs, name));
    await admin.open("/models");
    await admin.page.getByLabel("Folder of a model").setInputFiles(graphs);
    await admin.shows("it holds several graphs: a.onnx and b.onnx");
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.page.getByLabel("Graph to publish").selectOption("b.onnx");
    await admin.shows("Not sent, as they are other graphs: a.onnx.");
    await admin.page.getByRole("button", { name: "Cancel" }).click();
    const weights = path.join(folder, "adapter");
    await mkdir(weights);
    await writeFile(path.join(weights, "adapter_model.safetensors"), "weights");
    await admin.page.getByLabel("Folder of a model").setInputFiles(weights);
    await admin.shows("an adapter (LoRA) without its base model");
    await admin.page.getByRole("button", { name: "Cancel" }).click();
    await rm(folder, { recursive: true });
  }, 120_000);

  it("shows its signature and gets an alias", async () => {
    await admin.open("/models/digits?version=1");
    await admin.shows("[any, 1, 28, 28]");
    await admin.page.getByRole("button", { name: "Alias" }).click();
    await admin.page.getByRole("alertdialog").getByRole("button", { name: "Set" }).click();
    await admin.shows("champion is version 1");
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("answers a digit that is drawn, and says where the time went", async () => {
    await cluster.deploy({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } });
    await cluster.whenDeploymentReady("digits", PATIENCE_MS);
    await admin.open("/playground?model=digits");
    const sheet = admin.page.getByRole("img", { name: /A sheet to draw on/ });
    const { x = 0, y = 0, width = 0, height = 0 } = (await sheet.boundingBox()) ?? {};
    const { mouse } = admin.page;
    await mouse.move(x + 0.3 * width, y + 0.25 * height);
    await mouse.down();
    await mouse.move(x + 0.7 * width, y + 0.25 * height, { steps: 8 });
    await mouse.move(x + 0.45 * width, y + 0.85 * height, { steps: 8 });
    await mouse.up();
    await admin.shows("digits:1");
    await admin.shows("in the model");
    const best = admin.page.getByRole("table", { name: "Scores of probabilities" }).locator("tr.best th");
    expect(await best.innerText()).toBe("7");
    await admin.page.getByRole("button", { name: "Ask and explain" }).click();
    const why = admin.page.getByRole("region", { name: "Why" });
    await why.getByText("Decided: 7, because probabilities[7] = ").waitFor();
    await why.getByRole("img", { name: "Influence of each part of the picture" }).waitFor();
    await why.getByText(/It is there: .*edge-a/).waitFor();
    await admin.page.getByText("As a program").click();
    await admin.shows("$SKERRY_API_KEY");
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("has its requests in the traffic, by deployment and node", async () => {
    await admin.open("/traffic?view=pairs");
    await admin.page.getByRole("row", { name: /^digits edge-a/ }).waitFor();
    await admin.page.getByRole("button", { name: "By node" }).click();
    await admin.page.getByRole("row", { name: /^edge-a/ }).waitFor();
    expect(admin.page.url()).toBe(`${cluster.url}/traffic?view=nodes`);
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("is published by nobody who may not", async () => {
    const { key } = await cluster.post<{ key: string }>("/api-keys", { name: "a-viewer", role: "viewer" });
    const viewer = await openConsolePage(browser, cluster.url);
    await viewer.signIn(key);
    await viewer.open("/models/digits");
    await viewer.shows("[any, 1, 28, 28]");
    expect(await viewer.page.locator("input[type=file]").count()).toBe(0);
    await viewer.page.context().close();
  }, 120_000);

  it("asked no other origin, and broke no rule of the browser", () => {
    expect([admin.foreign, admin.complaints]).toEqual([[], []]);
  });
});

inBrowser("a node's own page", () => {
  it("shows what runs, and goes on while the control plane is away", async () => {
    const own = await openConsolePage(browser, node.localUrl);
    await own.open("/");
    await own.shows("edge-a");
    await own.shows(/^Connected for/);
    await own.page.getByRole("row", { name: /digits:1 .* ready/ }).waitFor();
    expect(await own.seriousFindings()).toEqual([]);
    await cluster.controlPlane.stop();
    await own.shows(/^Away for .* This node serves on\./);
    await own.page.getByRole("row", { name: /digits:1 .* ready/ }).waitFor();
    await own.page.emulateMedia({ colorScheme: "dark" });
    expect(await own.seriousFindings()).toEqual([]);
    await node.process.stop();
    await own.shows(/^No answer from this node for/);
    expect([own.foreign, own.complaints]).toEqual([[], []]);
  }, 120_000);
});
