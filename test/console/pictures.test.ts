import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser, Locator } from "playwright-core";
import { fp16LayerModel, int8LayerModel, layerInputs, layerModel } from "../support/models/onnx/variant-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";
import { floats, npz } from "../unit/cli/support/npz.ts";
import { findBrowser, launch } from "./support/browser.ts";
import { type ConsolePage, openConsolePage } from "./support/console-page.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const DIGITS = path.join(ROOT, "examples/digits/models/digits.onnx");
const DIGITS_SMALL = path.join(ROOT, "examples/digits/models/digits-small.onnx");
/** `PICTURES=docs/images npm run test:console -- pictures` takes them anew; unless it is said, the pages are only looked at. */
const INTO = process.env["PICTURES"];
/** A folder for pictures of whole pages, narrow, dark and at 200 %: for the eye, and not for the documents. */
const LOOK = process.env["LOOK"];
const PATIENCE_MS = 90_000;
const WIDE = { width: 1_100, height: 680 };
/** A telephone's. */
const NARROW = { width: 390, height: 844 };
/** Points of a sparkline that shows something: one comes each 2 s. */
const POINTS = INTO === undefined ? 2 : 12;

const executable = findBrowser();
const inBrowser = executable === undefined ? describe.skip : describe;

let database: TestDatabase;
let cluster: SkerryCluster;
let browser: Browser;
let admin: ConsolePage;
let seven: object;

beforeAll(async () => {
  if (executable === undefined) return;
  spawnSync(process.execPath, ["scripts/build-console.mjs"], { cwd: ROOT, stdio: "inherit" });
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  browser = await launch(executable);
  await cluster.addNode("edge-a", { site: "harbour" });
  await cluster.addNode("edge-b", { site: "island" });
  await cluster.addNode("cloud-a", { site: "cloud", kind: "cloud" });
  await cluster.publish("digits", await readFile(DIGITS));
  await cluster.request("PUT", "/models/digits/aliases/champion", { version: 1 });
  await cluster.deploy({
    name: "digits",
    model: "digits",
    version: "champion",
    placement: { edge: { min: 2 }, cloud: { min: 1 } },
  });
  await cluster.whenDeploymentReady("digits", PATIENCE_MS);
  seven = JSON.parse(await readFile(path.join(ROOT, "examples/digits/seven.json"), "utf8"));
  admin = await openConsolePage(browser, cluster.url, { viewport: WIDE, colorScheme: "light" });
  await admin.signIn(cluster.adminKey);
}, 240_000);
afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
  await database?.stop();
});

/** What the page shows now, where pictures are asked for; the focus ring of what was clicked last belongs to nobody who reads. */
async function picture(name: string, height = WIDE.height): Promise<void> {
  if (INTO === undefined) return;
  await admin.page.mouse.move(0, 0);
  await admin.page.setViewportSize({ ...WIDE, height });
  await admin.page.evaluate("scrollTo(0, 0)");
  await admin.page.screenshot({ path: pathOf(INTO, name), ...JPEG });
}

/** The same of a part of the page, which may be higher than the window. */
async function pictureOf(part: Locator, name: string): Promise<void> {
  if (INTO === undefined) return;
  await admin.page.mouse.move(0, 0);
  await part.screenshot({ path: pathOf(INTO, name), ...JPEG });
}

const JPEG = { type: "jpeg", quality: 82 } as const;
const pathOf = (folder: string, name: string): string => path.resolve(ROOT, folder, `console-${name}.jpg`);

/** What is wider than the window, in its place on the page, and not inside what scrolls by itself. */
const TOO_WIDE = `document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("main *")]
    .filter((each) => each.getBoundingClientRect().right > innerWidth && each.closest(".table, pre") === null)
    .map((each) => each.tagName + "." + each.className + " " + each.textContent.slice(0, 40))`;

/** What hinders somebody, in light or in dark, and what a telephone shows only by sideways scrolling. */
async function faults(): Promise<readonly unknown[]> {
  const light = await admin.seriousFindings();
  await admin.page.emulateMedia({ colorScheme: "dark" });
  const dark = await admin.seriousFindings();
  await admin.page.emulateMedia({ colorScheme: "light" });
  await admin.page.setViewportSize(NARROW);
  const tooWide = await admin.page.evaluate<string[]>(TOO_WIDE);
  if (LOOK !== undefined) await look(LOOK);
  await admin.page.setViewportSize(WIDE);
  return [...light, ...dark, ...tooWide];
}

async function look(folder: string): Promise<void> {
  const name = new URL(admin.page.url()).pathname.slice(1).replaceAll("/", "-") || "home";
  const into = (kind: string) => path.resolve(folder, `${name}-${kind}.png`);
  await admin.page.screenshot({ path: into("narrow"), fullPage: true });
  await admin.page.emulateMedia({ colorScheme: "dark" });
  await admin.page.setViewportSize(WIDE);
  await admin.page.screenshot({ path: into("dark"), fullPage: true });
  await admin.page.setViewportSize({ width: WIDE.width / 2, height: WIDE.height / 2 });
  await admin.page.screenshot({ path: into("zoomed"), fullPage: true });
  await admin.page.emulateMedia({ colorScheme: "light" });
}

inBrowser("pages with something to show", () => {
  it("say what the fleet is like", async () => {
    await admin.open("/");
    await admin.shows("All is well: 1 of 1 deployment serves as declared, 3 of 3 nodes connected.");
    await admin.page
      .getByRole("row", { name: /PlacementReady/ })
      .first()
      .waitFor();
    await picture("home");
    expect(await faults()).toEqual([]);
  }, 120_000);

  it("have a model with its signature, its variants, and where it runs", async () => {
    await cluster.publishBundle(
      "layer",
      {
        "model.onnx": layerModel({ mebibytes: 1 }),
        "model.int8.onnx": int8LayerModel(),
        "model.fp16.onnx": fp16LayerModel(),
        "samples.npz": npz({ x: floats([100, 32], [...layerInputs(100)]) }),
        "variants.yaml": Buffer.from(
          "variants: [{ name: int8, file: model.int8.onnx }, { name: fp16, file: model.fp16.onnx }]\n",
        ),
      },
      { main: "model.onnx" },
    );
    await cluster.deploy({ name: "layer", model: "layer", version: 1, placement: { edge: { min: 1 } } });
    await cluster.whenDeploymentReady("layer", PATIENCE_MS);
    await admin.open("/models/layer");
    await admin.page.getByRole("row", { name: /^edge-\w edge layer reference ready/ }).waitFor();
    await picture("models", 900);
    expect(await faults()).toEqual([]);
    await admin.open("/models");
    await admin.page.getByRole("row", { name: /^digits 1 champion=1 digits/ }).waitFor();
    expect(await faults()).toEqual([]);
  }, 120_000);

  it("answer a digit that is drawn, and explain the answer", async () => {
    await admin.open("/playground?model=digits");
    const sheet = admin.page.getByRole("img", { name: /A sheet to draw on/ });
    const { x = 0, y = 0, width = 0, height = 0 } = (await sheet.boundingBox()) ?? {};
    const { mouse } = admin.page;
    await mouse.move(x + 0.3 * width, y + 0.25 * height);
    await mouse.down();
    await mouse.move(x + 0.7 * width, y + 0.25 * height, { steps: 8 });
    await mouse.move(x + 0.45 * width, y + 0.85 * height, { steps: 8 });
    await mouse.up();
    await admin.page.getByRole("button", { name: "Ask and explain" }).click();
    await admin.page.getByRole("img", { name: "Influence of each part of the picture" }).waitFor();
    await picture("playground", 760);
    expect(await faults()).toEqual([]);
    // A pen that rests asks by itself, and no more after somebody did.
    expect(await admin.page.getByRole("img", { name: "Influence of each part of the picture" }).count()).toBe(1);
  }, 120_000);

  it("show the requests of the last minute", async () => {
    await admin.open("/traffic?view=pairs");
    const line = admin.page.getByRole("img", { name: "Requests since this page was opened" }).locator("polyline");
    await until(
      "the line of the requests is long enough",
      async () => {
        for (let n = 0; n < 20; n += 1) await (await cluster.infer("digits", seven)).body?.cancel();
        const points = (await line.count()) === 0 ? null : await line.getAttribute("points");
        return (points ?? "").split(" ").length >= POINTS;
      },
      PATIENCE_MS,
    );
    await admin.page
      .getByRole("row", { name: /^digits edge-/ })
      .first()
      .waitFor();
    await picture("traffic");
    expect(await faults()).toEqual([]);
  }, 180_000);

  it("say why a node has a replica, and what every node is like for one", async () => {
    await admin.open("/explain/digits?all=true");
    await admin.page.getByRole("row", { name: /^edge-a edge has a replica/ }).waitFor();
    await admin.page.getByRole("button", { name: "Details of edge-b" }).click();
    await admin.page
      .getByText(/points$/)
      .first()
      .waitFor();
    await picture("explain");
    expect(await faults()).toEqual([]);
    await admin.open("/nodes/edge-a");
    await admin.page.getByRole("link", { name: "digits:1" }).waitFor();
    expect(await faults()).toEqual([]);
    await admin.open("/deployments/digits");
    await admin.page.getByRole("row", { name: /^edge-a edge 1 ready/ }).waitFor();
    expect(await faults()).toEqual([]);
  }, 180_000);
  it("show how far a drain is, and when it is to end", async () => {
    await cluster.request("POST", "/nodes/edge-b/drain", { deadlineSeconds: 900 });
    await admin.open("/nodes");
    await admin.page.getByRole("row", { name: /^edge-b edge draining .* left, due in 1\d min/ }).waitFor();
    expect(await faults()).toEqual([]);
    await admin.open("/nodes/edge-b");
    await admin.shows(/^The deadline is in 1\d min/);
    await admin.page.getByRole("button", { name: "Change deadline" }).click();
    await admin.page.getByRole("alertdialog").getByLabel("Empty within").fill("20");
    expect(await faults()).toEqual([]);
    await cluster.request("POST", "/nodes/edge-b/uncordon");
  }, 120_000);

  it("show a rollout with what its gate found, and the fleet that has both versions as a map", async () => {
    await cluster.publish("digits", await readFile(DIGITS_SMALL));
    await cluster.deploy({
      name: "digits",
      model: "digits",
      version: 2,
      placement: { edge: { min: 2 }, cloud: { min: 1 } },
      rollout: {
        strategy: "canary",
        waves: [{ percent: 30 }, { percent: 60 }],
        bakeSeconds: 600,
        gate: { minRequests: 40, maxP95Ms: 2_000 },
      },
    });
    await admin.open("/deployments/digits");
    const rollout = admin.page.locator("article.rollout");
    const finding = rollout
      .getByRole("listitem")
      .filter({ hasText: /^requests: the new version had ([4-9]\d|\d{3,}) / });
    await until(
      "the gate has enough requests",
      async () => {
        for (let n = 0; n < 20; n += 1) await (await cluster.infer("digits", seven)).body?.cancel();
        return (await finding.count()) === 1;
      },
      PATIENCE_MS,
    );
    await pictureOf(rollout, "rollout");
    expect(await faults()).toEqual([]);
    await admin.open("/topology");
    const list = admin.page.locator("summary");
    await list.click();
    await admin.page
      .getByText(/edge-a: ready, .*digits:1 ready/)
      .first()
      .waitFor();
    await list.click();
    await picture("topology", 460);
    expect(await faults()).toEqual([]);
  }, 240_000);
});
