import { spawnSync } from "node:child_process";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import type { Rollout } from "../../shared/api/v1/rollouts/rollouts.ts";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";
import { findBrowser, launch } from "./support/browser.ts";
import { type ConsolePage, openConsolePage } from "./support/console-page.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const PATIENCE_MS = 90_000;
const executable = findBrowser();
const inBrowser = executable === undefined ? describe.skip : describe;

const spec = (version: number) => ({
  name: "echo",
  model: "echo",
  version,
  placement: { edge: { min: 1 } },
  rollout: { strategy: "canary", bakeSeconds: 600, gate: { minRequests: 1_000_000, maxWaitSeconds: 3_600 } },
});

let database: TestDatabase;
let cluster: SkerryCluster;
let browser: Browser;
let admin: ConsolePage;

beforeAll(async () => {
  if (executable === undefined) return;
  spawnSync(process.execPath, ["scripts/build-console.mjs"], { cwd: ROOT, stdio: "inherit" });
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  browser = await launch(executable);
  await cluster.addNode("edge-a");
  await cluster.addNode("edge-b");
  await cluster.publish("echo", identityModel("FP32", ["n", 2]));
  await cluster.publish("echo", identityModel("FP32", ["n", 2]));
  await cluster.deploy(spec(1));
  await cluster.whenDeploymentReady("echo", PATIENCE_MS);
  admin = await openConsolePage(browser, cluster.url, {
    viewport: { width: 1280, height: 900 },
    permissions: ["clipboard-read", "clipboard-write"],
  });
  await admin.signIn(cluster.adminKey);
}, 240_000);
afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
  await database?.stop();
});

/** Answers a question with yes. A dialog that stays says why: its text is in the failure. */
async function confirm(label: string): Promise<void> {
  const dialog = admin.page.getByRole("alertdialog");
  await dialog.getByRole("button", { name: label }).click();
  await Promise.race([
    dialog.waitFor({ state: "detached" }),
    dialog
      .getByRole("alert")
      .innerText()
      .then((text) => Promise.reject(new Error(text))),
  ]);
}

inBrowser("keys in the console", () => {
  it("are made, shown once and copied, and refused as soon as they are revoked", async () => {
    const { page } = admin;
    await admin.open("/keys");
    await page.getByRole("button", { name: "Make a key" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("dashboard");
    await dialog.getByRole("button", { name: "Make the key" }).click();
    const key = (await dialog.getByLabel("The key").innerText()).trim();
    await dialog.getByRole("button", { name: "Copy" }).click();
    const copied = () => page.evaluate<string>("navigator.clipboard.readText()");
    await until("the key is on the clipboard", async () => ((await copied()) === key ? true : undefined));
    expect(await admin.seriousFindings()).toEqual([]);
    await dialog.getByRole("button", { name: "I have kept it" }).click();
    const row = page.getByRole("row", { name: /^dashboard/ });
    await row.getByText("good", { exact: true }).waitFor();
    expect(await page.getByText(key).count()).toBe(0);
    const asked = () => fetch(`${cluster.url}/api/v1/nodes`, { headers: { Authorization: `Bearer ${key}` } });
    expect((await asked()).status).toBe(200);
    await row.getByRole("button", { name: "Revoke" }).click();
    await confirm("Revoke");
    await row.getByText("revoked", { exact: true }).waitFor();
    expect((await asked()).status).toBe(401);
  }, 120_000);

  it("that somebody else made are there without a reload, and so are join tokens", async () => {
    await admin.open("/keys");
    await admin.shows("Both lists are asked for every 15 s.");
    await admin.page.getByRole("row", { name: /^dashboard/ }).waitFor();
    await cluster.post("/api-keys", { name: "from-elsewhere", role: "viewer" });
    await cluster.post("/join-tokens", { kind: "edge", site: "lighthouse" });
    await admin.page.getByRole("row", { name: /^from-elsewhere/ }).waitFor();
    const token = admin.page.getByRole("row", { name: /lighthouse/ });
    await token.getByRole("button", { name: "Delete" }).click();
    await confirm("Delete");
    await token.waitFor({ state: "detached" });
    expect((await cluster.get<{ items: { site: string }[] }>("/join-tokens")).items).not.toContainEqual(
      expect.objectContaining({ site: "lighthouse" }),
    );
  }, 120_000);
});

inBrowser("a rollout in the console", () => {
  const phase = async () => (await cluster.get<Rollout>("/deployments/echo/rollout")).phase;

  it("is promoted before its waves, and the page follows its stream", async () => {
    const { page } = admin;
    await admin.open("/deployments/echo");
    await admin.shows("None yet.");
    await cluster.deploy(spec(2));
    await admin.shows("echo: version 1 → 2");
    await page.getByRole("button", { name: "Promote" }).click();
    await confirm("Promote");
    await page
      .getByRole("article")
      .getByText(/^promoted/)
      .waitFor();
    expect(await phase()).toBe("promoted");
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("that was promoted is undone", async () => {
    const { page } = admin;
    await page.getByRole("button", { name: "Undo" }).click();
    await confirm("Undo");
    await admin.shows("echo: version 2 → 1");
    await page.getByText("Earlier rollouts (1)").click();
    await admin.shows(/^1 → 2/);
    expect(await cluster.get<Rollout>("/deployments/echo/rollout")).toMatchObject({ from: 2, to: 1 });
  }, 120_000);

  it("is followed by a stream after a reload, too", async () => {
    const asked: string[] = [];
    admin.page.on("request", (request) => {
      if (/\/rollout(\?|$)/.test(request.url())) asked.push(new URL(request.url()).search);
    });
    await admin.page.reload();
    await admin.shows("echo: version 2 → 1");
    await cluster.request("POST", "/deployments/echo/rollout/promote", {});
    await admin.page
      .getByRole("article")
      .getByText(/^promoted/)
      .waitFor();
    expect(asked).toContain("?watch=true");
  }, 120_000);
});

inBrowser("a deployment in the console", () => {
  it("has its failed replicas tried again after a question", async () => {
    const { page } = admin;
    await admin.open("/deployments/echo");
    await page.getByRole("button", { name: "Retry failed" }).click();
    const retried = page.waitForResponse((response) => response.url().endsWith("/deployments/echo/retry"));
    await page.getByRole("alertdialog").getByRole("button", { name: "Retry" }).click();
    expect((await retried).status()).toBe(200);
    await page.getByRole("alertdialog").waitFor({ state: "detached" });
  }, 120_000);

  it("has its events alone on a page, as they happen", async () => {
    await admin.open("/deployments/echo");
    await admin.page.getByRole("link", { name: "Events of this deployment" }).click();
    await admin.shows("Show all");
    await admin.page.getByRole("table").getByRole("row").nth(1).waitFor();
    const [node] = await cluster.placements("echo");
    const other = node?.node === "edge-a" ? "edge-b" : "edge-a";
    const rows = admin.page.getByRole("table").getByRole("row");
    const before = await rows.count();
    await cluster.post(`/nodes/${other}/cordon`, {});
    await cluster.deploy({ ...spec(1), priority: 3 });
    await rows.nth(before).waitFor();
    expect(await admin.page.getByRole("table").innerText()).not.toContain("node/edge-");
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);
});

inBrowser("the whole time", () => {
  it("asks no other origin, and breaks no rule of the browser", () => {
    expect([admin.foreign, admin.complaints]).toEqual([[], []]);
  });
});
