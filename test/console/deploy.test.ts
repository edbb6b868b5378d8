import { spawnSync } from "node:child_process";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import type { Deployment } from "../../shared/api/v1/deployments/deployments.ts";
import { findBrowser, launch } from "./support/browser.ts";
import { type ConsolePage, openConsolePage } from "./support/console-page.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const PATIENCE_MS = 90_000;
const executable = findBrowser();
const inBrowser = executable === undefined ? describe.skip : describe;

let database: TestDatabase;
let cluster: SkerryCluster;
let browser: Browser;
let admin: ConsolePage;

const spec = async (name: string): Promise<Deployment["spec"]> =>
  (await cluster.get<Deployment>(`/deployments/${name}`)).spec;

beforeAll(async () => {
  if (executable === undefined) return;
  spawnSync(process.execPath, ["scripts/build-console.mjs"], { cwd: ROOT, stdio: "inherit" });
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  browser = await launch(executable);
  await cluster.addNode("edge-a");
  await cluster.addNode("edge-b");
  await cluster.publish("echo", identityModel("FP32", ["n", 2]));
  admin = await openConsolePage(browser, cluster.url, { viewport: { width: 1280, height: 900 } });
  await admin.signIn(cluster.adminKey);
}, 240_000);
afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
  await database?.stop();
});

inBrowser("a deployment in the console", () => {
  it("is declared from the page of its model, after the plan was shown", async () => {
    const { page } = admin;
    await admin.open("/models/echo");
    await page.getByRole("button", { name: "Deploy", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("echo would be ready on edge-").waitFor();
    expect(await admin.seriousFindings()).toEqual([]);
    await dialog.getByLabel("Least edge replicas").fill("3");
    expect(await dialog.locator(".note.warn").first().innerText()).toMatch(/edge/);
    await dialog.getByLabel("Least edge replicas").fill("1");
    await dialog.getByRole("button", { name: "Deploy", exact: true }).click();
    await page.waitForURL("**/deployments/echo");
    await page.getByRole("link", { name: "Try it" }).waitFor({ timeout: PATIENCE_MS });
    expect(await spec("echo")).toMatchObject({ model: "echo", version: 1, placement: { edge: { min: 1 } } });
  }, 180_000);

  it("answers in the playground, two clicks later", async () => {
    const { page } = admin;
    await page.getByRole("link", { name: "Try it" }).click();
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await page.getByText("in the model").first().waitFor();
    expect(await page.locator("main").innerText()).toMatch(/echo:1 answered on edge-/);
  }, 120_000);

  it("is changed as it was when the dialog opened, and not over somebody else's change", async () => {
    const { page } = admin;
    await admin.open("/deployments/echo");
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByLabel("On every edge node").check();
    await page.getByText(/would be ready on edge-a, edge-b/).waitFor();
    await cluster.request("PUT", "/deployments/echo", { ...(await spec("echo")), priority: 5 });
    const change = page.getByRole("dialog").getByRole("button", { name: "Change" });
    await change.click();
    await page
      .getByRole("dialog")
      .getByRole("alert")
      .getByText(/changed it since you read it/)
      .waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByLabel("On every edge node").check();
    await change.click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(await spec("echo")).toMatchObject({ priority: 5, placement: { edge: { every: true } } });
  }, 120_000);

  it("does not take the place of another of its name", async () => {
    const { page } = admin;
    await admin.open("/deployments");
    await page.getByRole("button", { name: "Deploy a model" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Give it a name.").waitFor();
    await dialog.getByLabel("Model").selectOption("echo");
    await dialog.getByText("Choose a version.").waitFor();
    await dialog.getByLabel("Version").selectOption("1");
    await dialog.getByText("There is a deployment echo already.").waitFor();
    expect(await dialog.getByRole("button", { name: "Deploy", exact: true }).isDisabled()).toBe(true);
    await dialog.getByLabel("Name of the deployment").fill("second");
    await dialog.getByText("second would be ready on edge-").waitFor();
    // Somebody else's comes between the look at the list and the request.
    const meanwhile = { ...(await spec("echo")), name: "second", priority: 9 };
    await page.route(
      "**/api/v1/deployments/second",
      async (route) => {
        await cluster.request("PUT", "/deployments/second", meanwhile);
        await route.continue();
      },
      { times: 1 },
    );
    await dialog.getByRole("button", { name: "Deploy", exact: true }).click();
    await dialog
      .getByRole("alert")
      .getByText(/exists already/)
      .waitFor();
    expect((await spec("second")).priority).toBe(9);
  }, 120_000);

  it("is deleted after a question, and is gone from the list", async () => {
    const { page } = admin;
    await admin.open("/deployments/second");
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
    await page.waitForURL("**/deployments");
    await page.getByRole("link", { name: "second" }).waitFor({ state: "detached" });
    expect((await cluster.get<{ items: Deployment[] }>("/deployments")).items.map(({ name }) => name)).toEqual([
      "echo",
    ]);
  }, 120_000);

  it("is changed by nobody who may not", async () => {
    const { key } = await cluster.post<{ key: string }>("/api-keys", { name: "a-viewer", role: "viewer" });
    const viewer = await openConsolePage(browser, cluster.url);
    await viewer.signIn(key);
    for (const where of ["/deployments", "/deployments/echo", "/models/echo"]) {
      await viewer.open(where);
      await viewer.page.getByRole("heading", { level: 1 }).waitFor();
      expect(await viewer.page.getByRole("button", { name: /^(Deploy|Change|Delete)/ }).count()).toBe(0);
    }
  }, 120_000);

  it("asked no other origin, and broke no rule of the browser", () => {
    expect([admin.foreign, admin.complaints]).toEqual([[], []]);
  });
});
