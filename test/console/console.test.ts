import { spawnSync } from "node:child_process";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import type { Rollout } from "../../shared/api/v1/rollouts/rollouts.ts";
import { PAGES } from "../../console/src/app/pages.ts";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";
import { findBrowser, launch } from "./support/browser.ts";
import { openConsolePage, type ConsolePage } from "./support/console-page.ts";

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
/** Signed in with the admin's key. */
let admin: ConsolePage;

const keyOf = async (role: string): Promise<string> =>
  (await cluster.post<{ key: string }>("/api-keys", { name: `a-${role}`, role })).key;

const asRole = async (role: string): Promise<ConsolePage> => {
  const opened = await openConsolePage(browser, cluster.url);
  await opened.signIn(await keyOf(role));
  return opened;
};

beforeAll(async () => {
  if (executable === undefined) return;
  spawnSync(process.execPath, ["scripts/build-console.mjs"], { cwd: ROOT, stdio: "inherit" });
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  browser = await launch(executable);
  admin = await openConsolePage(browser, cluster.url);
}, 240_000);
afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
  await database?.stop();
});

inBrowser("signing in", () => {
  it("says why a wrong key is refused, and keeps a right one from scripts", async () => {
    await admin.open("/nodes");
    await admin.page.getByLabel("API key").fill("sk_000000000000_wrong");
    await admin.page.getByRole("button", { name: "Sign in" }).click();
    await admin.shows("the API key is unknown, expired or revoked");
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.signIn(cluster.adminKey);
    expect(await admin.page.evaluate("document.cookie + JSON.stringify(localStorage)")).toBe("{}");
  }, 120_000);

  it("takes the one-time code of an address, and removes it from there", async () => {
    const { code } = await cluster.post<{ code: string }>("/session/codes", {});
    const other = await openConsolePage(browser, cluster.url);
    await other.open(`/nodes#code=${code}`);
    await other.shows("No node has joined");
    expect(other.page.url()).toBe(`${cluster.url}/nodes`);
    await other.page.context().close();
  }, 120_000);

  it("asks before the code of an address takes the place of who is signed in", async () => {
    const { code } = await cluster.post<{ code: string }>("/session/codes", {});
    const operator = await asRole("operator");
    const asked: string[] = [];
    operator.page.once("dialog", (dialog) => {
      asked.push(dialog.message());
      void dialog.dismiss();
    });
    await operator.open(`/keys#code=${code}`);
    await operator.shows("Only admins see and make API keys.");
    expect(asked).toEqual([expect.stringContaining("You are signed in as a-operator.")]);
    operator.page.once("dialog", (dialog) => void dialog.accept());
    await operator.open(`/nodes#code=${code}`);
    await operator.page.getByTitle(/^Signed in as .*, admin$/).waitFor();
    await operator.page.context().close();
  }, 120_000);
});

inBrowser("an empty fleet", () => {
  const paths = ["/nodes", "/topology", "/models", "/deployments", "/explain", "/playground"];

  it("is shown with what comes next to those who may do it, and with who may to others", async () => {
    const viewer = await asRole("viewer");
    for (const of of paths) {
      await viewer.open(of);
      await viewer.shows(/An operator or an admin does that; your role may not\.$/);
      expect(await viewer.seriousFindings()).toEqual([]);
      await admin.open(of);
      await admin.shows(/Join a node makes|Drop a file above|Publish a model, then deploy it/);
    }
    await viewer.open("/");
    await viewer.shows(/An operator or an admin takes them; your role may not\.$/);
    await viewer.open("/models/none");
    await viewer.shows("There is no model none");
    await viewer.page.route("**/api/v1/nodes?watch=true", (route) => route.fulfill({ status: 503, body: "{}" }));
    await viewer.open("/nodes");
    await viewer.shows("It is tried again by itself, and this page goes on then.");
    expect(await viewer.seriousFindings()).toEqual([]);
    await viewer.page.unroute("**/api/v1/nodes?watch=true");
    await viewer.shows("No node has joined");
    await viewer.page.context().close();
  }, 180_000);
});

inBrowser("from the first start to a rollback", () => {
  it("ticks the steps of the quickstart as they happen, and sees the node arrive that it made a token for", async () => {
    await admin.open("/");
    await admin.shows("Begin here");
    await admin.open("/nodes");
    await admin.page.getByRole("button", { name: "Join a node" }).click();
    await admin.page.getByLabel("Site").fill("harbour");
    await admin.page.getByRole("button", { name: "Make a join token" }).click();
    await admin.shows("Waiting for the node");
    await cluster.addNode("edge-a", { site: "harbour" });
    await admin.shows(/arrived/);
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.page.keyboard.press("Escape");
    await cluster.addNode("edge-b", { site: "island" });
    await admin.open("/");
    await admin.shows("Join a node: done");
    // A way inside the page: both have a list of models, and of one another's they can make nothing.
    await admin.page.getByRole("link", { name: "Drop a file" }).click();
    await admin.shows("There are no models yet");
    await admin.page.getByRole("link", { name: "Home" }).click();
    await cluster.publish("echo", identityModel("FP32", ["n", 2]));
    await admin.shows("Publish a model: done");
    await cluster.deploy(spec(1));
    await admin.shows("Declare a deployment: done");
    await admin.shows("All is well: 1 of 1 deployment serves as declared, 2 of 2 nodes connected.");
    await admin.shows("It answers: done");
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.page.getByRole("button", { name: "Hide these steps" }).click();
    await admin.page.getByText("It answers: done").waitFor({ state: "detached" });
  }, 180_000);

  it("cordons a node and shows it, also when somebody else lets it go", async () => {
    await admin.open("/nodes/edge-a");
    await admin.page.getByRole("button", { name: "Cordon", exact: true }).click();
    await admin.shows("cordoned");
    expect((await cluster.get<Node>("/nodes/edge-a")).cordoned).toBe(true);
    await cluster.post("/nodes/edge-a/uncordon", {});
    await admin.page.getByRole("button", { name: "Cordon", exact: true }).waitFor();
  }, 120_000);

  it("asks before it drains a node, and shows the drain to its end", async () => {
    const [held] = await cluster.placements("echo");
    await admin.open(`/nodes/${held?.node}`);
    await admin.page.getByRole("button", { name: "Drain" }).click();
    await admin.page.getByRole("alertdialog").getByRole("button", { name: "Drain" }).click();
    await admin.shows("Drained: nothing runs here.");
    expect((await cluster.placements("echo")).map(({ node }) => node)).not.toContain(held?.node);
    await admin.page.getByRole("button", { name: "Uncordon" }).click();
    await admin.page.getByRole("button", { name: "Cordon", exact: true }).waitFor();
  }, 120_000);

  it("answers what would happen without a node, and changes nothing", async () => {
    await cluster.whenDeploymentReady("echo", PATIENCE_MS);
    const [held] = await cluster.placements("echo");
    await admin.open("/explain/echo");
    await admin.shows("has a replica");
    await admin.page
      .getByRole("group", { name: `What if ${held?.node}` })
      .getByRole("button", { name: "remove" })
      .click();
    await admin.shows(/steps? would follow/);
    expect((await cluster.get<Node>(`/nodes/${held?.node}`)).state).toBe("ready");
    await admin.page.getByRole("button", { name: "Details of edge-a" }).click();
    expect(admin.page.url()).toBe(`${cluster.url}/explain/echo?node=edge-a`);
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("shows a rollout with its waves, and aborts it with a reason", async () => {
    await cluster.publish("echo", identityModel("FP32", ["n", 2]));
    await admin.open("/deployments/echo");
    await cluster.deploy(spec(2));
    await admin.shows("echo: version 1 → 2");
    await admin.shows("Wave 1: 10 %");
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.page.getByRole("button", { name: "Abort" }).click();
    const dialog = admin.page.getByRole("alertdialog");
    await dialog.getByLabel("Why (for the history)").fill("it misreads sevens");
    await dialog.getByRole("button", { name: "Abort" }).click();
    await admin.shows(/rolled-back/);
    await admin.shows(/it misreads sevens/);
    const { phase } = await until("the rollout has ended", async () => {
      const found = await cluster.get<Rollout>("/deployments/echo/rollout");
      return found.phase === "rolled-back" ? found : undefined;
    });
    expect(phase).toBe("rolled-back");
  }, 180_000);
});

inBrowser("every page", () => {
  const paths = [...PAGES.map(({ path: of }) => of), "/nodes/edge-a", "/deployments/echo", "/explain/echo"];

  it.each(paths)(
    "%s shows its title, and hinders nobody, in light and in dark",
    async (of) => {
      await admin.open(of);
      await admin.page.getByRole("heading", { level: 1 }).waitFor();
      await admin.page.getByRole("status").filter({ hasText: "Live" }).waitFor();
      expect(await admin.seriousFindings()).toEqual([]);
      await admin.page.emulateMedia({ colorScheme: "dark" });
      expect(await admin.seriousFindings()).toEqual([]);
      await admin.page.emulateMedia({ colorScheme: "light" });
    },
    120_000,
  );

  it.each(paths)(
    "%s fits a window of 640 pixels: 1280 at 200 %%",
    async (of) => {
      await admin.page.setViewportSize({ width: 640, height: 480 });
      await admin.open(of);
      await admin.page.getByRole("heading", { level: 1 }).waitFor();
      const overflow = await admin.page.evaluate("document.documentElement.scrollWidth - innerWidth");
      await admin.page.setViewportSize({ width: 1280, height: 800 });
      expect(overflow).toBeLessThanOrEqual(0);
    },
    120_000,
  );

  it("is reached by keys, and its search too", async () => {
    await admin.open("/");
    await admin.page.getByRole("heading", { level: 1 }).waitFor();
    await admin.page.keyboard.press("g");
    await admin.page.keyboard.press("n");
    await admin.page.getByRole("heading", { level: 1, name: "Nodes" }).waitFor();
    await admin.page.keyboard.press("/");
    await admin.page.keyboard.type("island");
    await admin.page.getByRole("link", { name: "edge-a" }).waitFor({ state: "detached" });
    expect(admin.page.url()).toBe(`${cluster.url}/nodes?q=island`);
    await admin.page.keyboard.press("Escape");
    await admin.page.keyboard.press("Escape");
    await admin.page.keyboard.press("?");
    await admin.page.getByRole("dialog", { name: "Keyboard" }).waitFor();
    await admin.page.keyboard.press("Escape");
    await admin.page.getByRole("dialog").waitFor({ state: "detached" });
  }, 120_000);

  it("says when there is no such object or page", async () => {
    for (const [of, text] of [
      ["/nodes/none", "There is no node none"],
      ["/deployments/none", "There is no deployment none"],
      ["/explain/none", "There is no deployment none"],
      ["/keys/none", "There is no such page"],
      ["/nodes?q=nothing-has-this", "No node matches"],
    ] as const) {
      await admin.open(of);
      await admin.shows(text);
      expect(await admin.seriousFindings()).toEqual([]);
    }
  }, 120_000);
});

inBrowser("a session of a lesser role", () => {
  it("sees no control that it may not use", async () => {
    const viewer = await asRole("viewer");
    await viewer.open("/nodes/edge-a");
    await viewer.shows("What it holds");
    expect(await viewer.page.getByRole("button", { name: /Cordon|Drain/ }).count()).toBe(0);
    await viewer.open("/keys");
    await viewer.shows("Only admins see and make API keys.");
    await viewer.page.context().close();
  }, 120_000);

  it("of an application reads what its key does not allow", async () => {
    const application = await asRole("application");
    await application.open("/nodes");
    await application.shows("Your key does not allow this");
    expect(await application.seriousFindings()).toEqual([]);
    await application.page.context().close();
  }, 120_000);
});

inBrowser("without the control plane", () => {
  it("says so, keeps what it showed, and is live again by itself", async () => {
    await admin.open("/nodes");
    await admin.page.getByRole("link", { name: "edge-a" }).waitFor();
    await cluster.controlPlane.stop();
    await admin.shows(/No link to the control plane/);
    expect(await admin.page.getByRole("link", { name: "edge-a" }).count()).toBe(1);
    // The cookie is still good, so the page must not look signed out.
    await admin.page.getByRole("button", { name: "Sign out" }).click();
    await admin.page.getByRole("banner").getByRole("alert").waitFor();
    cluster.restartControlPlane();
    await cluster.whenControlPlaneReady();
    await admin.page.getByRole("status").filter({ hasText: "Live" }).waitFor();
  }, 180_000);
});

inBrowser("the whole time", () => {
  it("asks no other origin, and breaks no rule of its own policy", () => {
    expect(admin.foreign).toEqual([]);
    expect(admin.complaints).toEqual([]);
  });
});
