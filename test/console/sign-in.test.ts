import { spawnSync } from "node:child_process";
import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import { TestProvider } from "../support/oidc/provider.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { freePort } from "../support/processes/skerry-process.ts";
import { findBrowser, launch } from "./support/browser.ts";
import { type ConsolePage, openConsolePage } from "./support/console-page.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const executable = findBrowser();
const inBrowser = executable === undefined ? describe.skip : describe;

let database: TestDatabase;
let provider: TestProvider;
let directory: string;
let cluster: SkerryCluster;
let browser: Browser;
/** Signed in with the admin's key. */
let admin: ConsolePage;

beforeAll(async () => {
  if (executable === undefined) return;
  spawnSync(process.execPath, ["scripts/build-console.mjs"], { cwd: ROOT, stdio: "inherit" });
  database = await startTestDatabase();
  directory = await mkdtemp(path.join(tmpdir(), "skerry-sign-in-"));
  const secret = path.join(directory, "client");
  await writeFile(secret, "a secret of the test\n");
  const port = await freePort();
  provider = new TestProvider(await freePort(), `http://127.0.0.1:${port}/api/v1/login/oidc/callback`);
  await provider.start();
  cluster = await SkerryCluster.start(database.url, {
    SKERRY_PORT: String(port),
    SKERRY_PUBLIC_URL: `http://127.0.0.1:${port}`,
    SKERRY_OIDC_ISSUER: provider.issuer,
    SKERRY_OIDC_CLIENT_ID: "skerry",
    SKERRY_OIDC_CLIENT_SECRET_FILE: secret,
    SKERRY_OIDC_ROLES: "ops=operator; readers=viewer",
  });
  browser = await launch(executable);
  admin = await openConsolePage(browser, cluster.url);
  await admin.signIn(cluster.adminKey);
}, 240_000);
afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
  await provider?.stop();
  await database?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

/** A page without a session, at the button of the provider. */
async function atProviderButton(at: string): Promise<ConsolePage> {
  const person = await openConsolePage(browser, cluster.url);
  await person.open(at);
  await person.page.getByRole("link", { name: `Sign in at ${new URL(provider.issuer).host}` }).waitFor();
  return person;
}

inBrowser("signing in at an identity provider", () => {
  it("leads back to the address that was asked for, with the rights of the group", async () => {
    await provider.next({ person: "ana", groups: ["ops"] });
    const of = `/nodes?q=${"edge-".repeat(80)}`;
    const person = await atProviderButton(of);
    expect(await person.seriousFindings()).toEqual([]);
    await person.page.getByRole("link", { name: /^Sign in at/ }).click();
    await person.page.getByTitle(/^Signed in as oidc:ana, operator$/).waitFor();
    expect(person.page.url()).toBe(`${cluster.url}${of}`);
    await person.page.getByRole("button", { name: "Sign out" }).click();
    await person.page.getByLabel("API key").waitFor();
    await person.page.context().close();
  }, 120_000);

  it("leads to the page alone from an address that is too long to be remembered", async () => {
    await provider.next({ person: "ben", groups: ["readers"] });
    const person = await atProviderButton(`/nodes?q=${"x".repeat(2_000)}`);
    await person.page.getByRole("link", { name: /^Sign in at/ }).click();
    await person.page.getByTitle(/^Signed in as oidc:ben, viewer$/).waitFor();
    expect(person.page.url()).toBe(`${cluster.url}/nodes`);
    await person.page.context().close();
  }, 120_000);
});

inBrowser("a tab that is open", () => {
  it("takes a one-time code that is pasted into its address", async () => {
    const { code } = await cluster.post<{ code: string }>("/session/codes", {});
    const other = await openConsolePage(browser, cluster.url);
    await other.open("/nodes");
    await other.page.getByLabel("API key").waitFor();
    await other.page.evaluate(`location.hash = "code=${code}"`);
    await other.shows("No node has joined");
    expect(other.page.url()).toBe(`${cluster.url}/nodes`);
    await other.page.context().close();
  }, 120_000);

  it("goes on after the same person has signed in anew in another tab", async () => {
    const answers: number[] = [];
    admin.page.on("response", (response) => {
      if (response.request().method() === "POST") answers.push(response.status());
    });
    // Before the other session is there: a page that asks who is signed in after that knows of it already.
    const asked = admin.page.waitForResponse(`${cluster.url}/api/v1/session`);
    await admin.open("/nodes");
    await asked;
    const { request } = admin.page.context();
    expect((await request.post(`${cluster.url}/api/v1/session`, { data: { key: cluster.adminKey } })).ok()).toBe(true);
    await admin.page.getByRole("button", { name: "Join a node" }).first().click();
    await admin.page.getByLabel("Site").fill("harbour");
    await admin.page.getByRole("button", { name: "Make a join token" }).click();
    await admin.shows("Waiting for the node");
    expect(answers).toEqual([403, 201]);
    await admin.page.keyboard.press("Escape");
  }, 120_000);

  it("acts for nobody else who has signed in in another tab, and shows who that is", async () => {
    const { key } = await cluster.post<{ key: string }>("/api-keys", { name: "an-operator", role: "operator" });
    const person = await openConsolePage(browser, cluster.url);
    await person.signIn(cluster.adminKey);
    await person.open("/nodes");
    await person.page.getByRole("button", { name: "Join a node" }).first().click();
    await person.page.getByLabel("Site").fill("island");
    await person.page.context().request.post(`${cluster.url}/api/v1/session`, { data: { key } });
    await person.page.getByRole("button", { name: "Make a join token" }).click();
    await person.page.getByTitle("Signed in as an-operator, operator").waitFor();
    const { items } = await cluster.get<{ items: readonly { site: string }[] }>("/join-tokens");
    expect(items.filter(({ site }) => site === "island")).toEqual([]);
    await person.page.context().close();
  }, 120_000);
});

inBrowser("the waiting room", () => {
  it("shows the key of a node that joined with a token for it, and lets it in when it is approved", async () => {
    await cluster.addNode("edge-a", { needsApproval: true });
    const { approval } = await cluster.get<Node>("/nodes/edge-a");
    await admin.open("/nodes");
    await admin.shows("Waiting for an approval");
    await admin.shows(approval?.publicKey ?? "no key");
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.page.getByRole("button", { name: "Approve edge-a" }).click();
    await admin.page.getByText("Waiting for an approval").waitFor({ state: "detached" });
    await admin.page.getByRole("row", { name: /^edge-a .*ready/ }).waitFor();
  }, 120_000);

  it("asks before it refuses a node, whose key is void from then on", async () => {
    await cluster.addNode("edge-b", { needsApproval: true });
    await admin.open("/nodes");
    await admin.page.getByRole("button", { name: "Reject" }).click();
    await admin.shows("Its identity is void");
    await admin.page.getByRole("alertdialog").getByRole("button", { name: "Reject" }).click();
    await admin.page.getByText("Waiting for an approval").waitFor({ state: "detached" });
    const { items } = await cluster.get<{ items: readonly Node[] }>("/nodes");
    expect(items.map(({ name }) => name)).not.toContain("edge-b");
  }, 120_000);

  it("lets nobody decide who may not", async () => {
    await cluster.addNode("edge-c", { needsApproval: true });
    const { key } = await cluster.post<{ key: string }>("/api-keys", { name: "a-viewer", role: "viewer" });
    const viewer = await openConsolePage(browser, cluster.url);
    await viewer.signIn(key);
    await viewer.open("/nodes");
    await viewer.shows("Waiting for an approval");
    expect(await viewer.page.getByRole("button", { name: /Approve|Reject/ }).count()).toBe(0);
    await viewer.page.context().close();
  }, 120_000);
});
