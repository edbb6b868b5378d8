import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import type { Deployment } from "../../shared/api/v1/deployments/deployments.ts";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import { parseJoinToken } from "../../shared/protocol/proofs.ts";
import { joinBody } from "../processes/security/support/joining.ts";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import { fp16LayerModel, int8LayerModel, layerInputs, layerModel } from "../support/models/onnx/variant-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { freePort } from "../support/processes/skerry-process.ts";
import { floats, npz } from "../unit/cli/support/npz.ts";
import { findBrowser, launch } from "./support/browser.ts";
import { type ConsolePage, openConsolePage } from "./support/console-page.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const PATIENCE_MS = 90_000;
/** So large is the reference that it does not fit into what the small node has for models. */
const MEBIBYTES = 40;
const memoryOf = (mebibytes: number) => ({
  NODE_OPTIONS: `--import=data:text/javascript,process.constrainedMemory=()=>${mebibytes * 1_048_576}`,
});
const samples = npz({ x: floats([100, 32], [...layerInputs(100)]) });
const WAITING = 60;

const executable = findBrowser();
const inBrowser = executable === undefined ? describe.skip : describe;

let directory: string;
let database: TestDatabase;
let cluster: SkerryCluster;
let browser: Browser;
let admin: ConsolePage;
let large: ClusterNode;

beforeAll(async () => {
  if (executable === undefined) return;
  spawnSync(process.execPath, ["scripts/build-console.mjs"], { cwd: ROOT, stdio: "inherit" });
  directory = await mkdtemp(path.join(tmpdir(), "skerry-console-"));
  const streams = path.join(directory, "streams.yaml");
  await writeFile(
    streams,
    `sources:
  pushed: { http: {} }
sinks:
  outbox: { folder: { path: ${path.join(directory, "outbox")}, gatherMs: 100 } }
  plant: { webhook: { url: "http://127.0.0.1:${await freePort()}/results", timeoutMs: 1000 } }
`,
  );
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  browser = await launch(executable);
  await cluster.addNode("edge-small", { env: memoryOf(400) });
  large = await cluster.addNode("edge-large", { env: { ...memoryOf(4_096), SKERRY_STREAMS_FILE: streams } });
  admin = await openConsolePage(browser, cluster.url, { viewport: { width: 1280, height: 900 } });
  await admin.signIn(cluster.adminKey);
}, 240_000);
afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
  await database?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

inBrowser("variants of a version in the console", () => {
  it("come with the folder that is dropped, each with how near it is to the reference", async () => {
    const folder = path.join(directory, "layer");
    await mkdir(folder);
    const files = {
      "model.onnx": layerModel({ mebibytes: MEBIBYTES }),
      "model.int8.onnx": int8LayerModel(),
      "model.fp16.onnx": fp16LayerModel(),
      "samples.npz": samples,
      "variants.yaml": "variants: [{ name: int8, file: model.int8.onnx }, { name: fp16, file: model.fp16.onnx }]\n",
    };
    for (const [name, bytes] of Object.entries(files)) await writeFile(path.join(folder, name), bytes);
    await admin.open("/models");
    await admin.page.getByLabel("Folder of a model").setInputFiles(folder);
    await admin.page.getByRole("button", { name: "Publish" }).click();
    await admin.shows("is ready.");
    await admin.open("/models/layer?version=1");
    const table = admin.page.getByRole("region", { name: "Variants of layer:1" });
    await table.getByRole("row", { name: /^reference model\.onnx 40\.\d MiB .* – –$/ }).waitFor();
    await table.getByRole("row", { name: /^int8 model\.int8\.onnx .* 100 % 0\.\d+/ }).waitFor();
    await table.getByRole("row", { name: /^fp16 model\.fp16\.onnx .* 100 % 0\.\d+/ }).waitFor();
    await table.getByText("on 100 samples").waitFor();
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("that decide otherwise leave the version refused, with the reason", async () => {
    const { version, state } = await cluster.publishBundle(
      "layer",
      {
        "model.onnx": layerModel(),
        "model.int8.onnx": int8LayerModel({ sign: -1 }),
        "samples.npz": samples,
        "variants.yaml": Buffer.from("variants: [{ name: int8, file: model.int8.onnx }]\n"),
      },
      { main: "model.onnx" },
    );
    expect(state).toBe("rejected");
    await admin.open(`/models/layer?version=${version}`);
    await admin.shows(/variant int8, on 100 samples: it decides as the reference in 0 % of them/);
    await admin.shows("None: the version was refused.");
    expect(await admin.page.getByRole("region", { name: /^Variants/ }).count()).toBe(0);
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("are named by the deployment, by the node and in the explanation, which says why that one", async () => {
    await cluster.deploy({ name: "layer", model: "layer", version: 1, placement: { edge: { every: true } } });
    await cluster.whenDeploymentReady("layer", PATIENCE_MS);
    await admin.open("/deployments/layer");
    await admin.shows("Variant: each node gets what fits it and is quick there.");
    await admin.page.getByRole("row", { name: /^edge-small edge 1 int8 ready/ }).waitFor();
    await admin.page.getByRole("row", { name: /^edge-large edge 1 reference ready/ }).waitFor();
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.open("/nodes/edge-small");
    await admin.page.getByRole("link", { name: "layer:1 (int8)" }).waitFor();
    await admin.open("/explain/layer");
    await admin.page.getByRole("row", { name: /^edge-small edge has a replica [\d.]+ int8 / }).waitFor();
    await admin.page.getByRole("button", { name: "Details of edge-small" }).click();
    await admin.shows(/^It has the variant int8: reference needs \d+ MiB of memory/);
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("are named beside an answer", async () => {
    await admin.open("/playground?model=layer&node=edge-small");
    await admin.page.getByRole("button", { name: "Ask", exact: true }).click();
    await admin.page.getByText("layer:1 (int8)").waitFor();
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("can be asked about before one is pinned, and are pinned and let go by a dialog", async () => {
    await admin.open("/explain/layer");
    await admin.page.getByRole("combobox", { name: "Variant" }).selectOption("fp16");
    await admin.shows(/steps? would follow/);
    await admin.open("/deployments/layer");
    const choose = async (variant: string): Promise<void> => {
      await admin.page.getByRole("button", { name: "Change variant" }).click();
      const dialog = admin.page.getByRole("alertdialog");
      await dialog.getByRole("combobox", { name: "Variant" }).selectOption(variant);
      expect(await admin.seriousFindings()).toEqual([]);
      await dialog.getByRole("button", { name: "Apply" }).click();
      await dialog.waitFor({ state: "detached" });
    };
    await choose("fp16");
    await admin.page.getByText("Variant: fp16 on every node.").waitFor();
    await admin.page.getByRole("row", { name: /^edge-small edge 1 fp16 ready/ }).waitFor({ timeout: PATIENCE_MS });
    expect((await cluster.get<Deployment>("/deployments/layer")).spec.variant).toBe("fp16");
    await choose("auto");
    await admin.shows("Variant: each node gets what fits it and is quick there.");
  }, 180_000);
});

inBrowser("streams in the console", () => {
  const push = (stream: string, key: string): Promise<Response> =>
    fetch(`${large.localUrl}/streams/echo/${stream}`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key },
      body: "[1, 2]",
    });

  it("show what became of everything that a node has read, and why a stream waits", async () => {
    await cluster.publish("echo", identityModel("FP32", ["n", 2]));
    await cluster.deploy({
      name: "echo",
      model: "echo",
      version: 1,
      placement: { where: { matchLabels: { name: "edge-large" } }, edge: { min: 1 } },
      streams: [
        { name: "scans", source: "pushed", sink: "outbox" },
        { name: "alarms", source: "pushed", sink: "plant" },
        { name: "ghosts", source: "elsewhere", sink: "outbox" },
      ],
    });
    await admin.open("/deployments/echo");
    await cluster.whenDeploymentReady("echo", PATIENCE_MS);
    const rowOf = (name: RegExp) => admin.page.getByRole("row", { name });
    await rowOf(/^scans edge-large running 0 0 0 0 0 0$/).waitFor({ timeout: PATIENCE_MS });
    const statuses = [];
    for (const key of ["a", "b", "b"]) statuses.push((await push("scans", key)).status);
    for (const key of ["c", "d"]) statuses.push((await push("alarms", key)).status);
    expect(statuses).toEqual([202, 202, 202, 202, 202]);
    await rowOf(/^scans edge-large running 3 2 1 0 0 0$/).waitFor({ timeout: PATIENCE_MS });
    await rowOf(/^alarms edge-large waiting .+ 2 0 0 0 0 2 \(/).waitFor({ timeout: PATIENCE_MS });
    await rowOf(/^ghosts edge-large waiting .*elsewhere.* 0 0 0 0 0 0$/).waitFor({ timeout: PATIENCE_MS });
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.open("/nodes/edge-large");
    await rowOf(/^echo\/scans running 3 2 1 0 0 0$/).waitFor();
    await rowOf(/^echo\/ghosts waiting .*elsewhere/).waitFor();
    expect(await admin.seriousFindings()).toEqual([]);
  }, 240_000);
});

inBrowser("a node that is renamed", () => {
  const nameField = () => admin.page.getByRole("alertdialog").getByLabel("Name");
  const openDialog = async (): Promise<void> => {
    await admin.page.getByRole("button", { name: "Rename" }).focus();
    await admin.page.keyboard.press("Enter");
    await nameField().waitFor();
  };

  it("keeps its name while the other one is taken, and says so", async () => {
    await admin.open("/nodes/edge-small");
    await openDialog();
    await nameField().fill("edge-large");
    await admin.page.keyboard.press("Enter");
    await admin.page.getByRole("alertdialog").getByText("a node named edge-large exists").waitFor();
    expect(await admin.seriousFindings()).toEqual([]);
    await nameField().fill("Hall 7");
    await admin.page.keyboard.press("Enter");
    await admin.page
      .getByRole("alertdialog")
      .getByText(/1–63 lower-case letters/)
      .waitFor();
    await admin.page.keyboard.press("Escape");
    await nameField().waitFor({ state: "detached" });
  }, 120_000);

  it("takes the page that is open with it, also when another person renames it", async () => {
    await openDialog();
    await nameField().fill("hall-7");
    await admin.page.keyboard.press("Enter");
    await admin.page.getByRole("heading", { level: 1, name: /^hall-7/ }).waitFor();
    await admin.shows(/^It was called edge-small until now/);
    await admin.page.waitForURL(`${cluster.url}/nodes/hall-7`);
    await admin.page.getByRole("link", { name: /^layer:1/ }).waitFor();
    expect(await admin.seriousFindings()).toEqual([]);
    await cluster.request("PATCH", "/nodes/hall-7", { name: "edge-small" });
    await admin.page.waitForURL(`${cluster.url}/nodes/edge-small`);
    await admin.shows(/^It was called hall-7 until now/);
  }, 120_000);

  it("is renamed by nobody who may not", async () => {
    const { key } = await cluster.post<{ key: string }>("/api-keys", { name: "a-viewer", role: "viewer" });
    const viewer = await openConsolePage(browser, cluster.url);
    await viewer.signIn(key);
    await viewer.open("/nodes/edge-small");
    await viewer.shows("What it holds");
    expect(await viewer.page.getByRole("button", { name: "Rename" }).count()).toBe(0);
    await viewer.open("/deployments/layer");
    await viewer.shows(/^Variant: each node gets/);
    expect(await viewer.page.getByRole("button", { name: "Change variant" }).count()).toBe(0);
    await viewer.page.context().close();
  }, 120_000);
});

inBrowser("a node that is drained with a deadline", () => {
  const dialog = () => admin.page.getByRole("alertdialog");
  const drain = async (opens: string, confirms: string, amount: string, unit: string, end?: RegExp): Promise<void> => {
    await admin.page.getByRole("button", { name: opens, exact: true }).click();
    await dialog().getByLabel("Empty within").fill(amount);
    await dialog().getByRole("combobox", { name: "Unit of the deadline" }).selectOption(unit);
    if (end !== undefined) await dialog().getByLabel(end).check();
    expect(await admin.seriousFindings()).toEqual([]);
    await dialog().getByRole("button", { name: confirms, exact: true }).click();
    await dialog().waitFor({ state: "detached" });
  };

  it("says when it is to be empty, what happens then, and what it waits for", async () => {
    await admin.open("/nodes/edge-large");
    await admin.page.getByRole("link", { name: "echo:1" }).waitFor();
    await admin.page.getByRole("button", { name: "Drain", exact: true }).click();
    expect(
      await dialog()
        .getByLabel(/is removed, also/)
        .isDisabled(),
    ).toBe(true);
    await admin.page.keyboard.press("Escape");
    await drain("Drain", "Drain", "20", "minutes");
    await admin.shows(/^Draining: \d models? (has|have) to be ready elsewhere/);
    await admin.shows(/^The deadline is in 20 min\. What is left then stays/);
    await admin.shows(/^echo:1 of echo \(ready\) stays until enough others are ready elsewhere$/);
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.open("/nodes");
    await admin.page
      .getByRole("row", { name: /^edge-large edge draining \d models? left, due in (20|19) min / })
      .waitFor();
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("is overdue from its deadline on, on each page and by itself", async () => {
    await admin.open("/nodes/edge-large");
    await drain("Change deadline", "Change", "2", "seconds");
    await admin.shows(/^The drain is past its deadline and goes on: \d models? (is|are) still here\.$/);
    await admin.shows(/^The deadline was (\d+ s ago|now)/);
    await admin.shows(/^echo:1 of echo \(ready\) stays/);
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.open("/nodes");
    await admin.page
      .getByRole("row", {
        name: /^edge-large edge drain overdue \d models? left, was due .+: echo:1 of echo \(ready\) stays/,
      })
      .waitFor();
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.open("/");
    await admin.shows(/is past the deadline of its drain: echo:1 of echo/);
  }, 120_000);

  it("is empty after a deadline at which what is left is removed", async () => {
    await admin.open("/nodes/edge-large");
    await drain("Change deadline", "Change", "1", "seconds", /is removed, also/);
    await admin.shows("Drained: nothing runs here. It stays empty until it is uncordoned.");
    await admin.page.getByRole("button", { name: "Uncordon" }).click();
    await admin.page.getByRole("link", { name: "echo:1" }).waitFor({ timeout: PATIENCE_MS });
    expect((await cluster.get<Node>("/nodes/edge-large")).drain).toBeNull();
  }, 180_000);
});

inBrowser("the explanation of a deployment", () => {
  it("asks about every node of the fleet, and leaves those with one verdict", async () => {
    const { token } = await cluster.post<{ token: string }>("/join-tokens", { kind: "edge", uses: WAITING });
    const parsed = parseJoinToken(token);
    if (parsed === undefined) throw new Error("no token");
    for (let n = 1; n <= WAITING; n += 1)
      await cluster.request("POST", "/join", joinBody(parsed, `rack-${String(n).padStart(2, "0")}`));
    await admin.open("/explain/layer");
    await admin.shows(/\d+ nodes beside them were not asked about\./);
    const verdicts = admin.page.getByRole("group", { name: "Nodes with the verdict" });
    await verdicts.getByRole("button", { name: /^not asked \d+$/ }).waitFor();
    await admin.page.getByRole("button", { name: "Ask about every node" }).click();
    await verdicts.getByRole("button", { name: `not now ${WAITING}` }).click();
    await admin.page.getByRole("row", { name: /^rack-01 edge not now .*rack-01/ }).waitFor();
    await admin.shows(`1–50 of ${WAITING}`);
    expect(await admin.page.getByRole("row", { name: /^edge-small/ }).count()).toBe(0);
    expect(admin.page.url()).toBe(`${cluster.url}/explain/layer?verdict=not+now&all=true`);
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.page.reload();
    await admin.page.getByLabel("Search nodes").fill("rack-57");
    await verdicts.getByRole("button", { name: "not now 1" }).waitFor();
    await admin.page.getByRole("row", { name: /^rack-57 / }).waitFor();
    await admin.page.getByLabel("Search nodes").fill("rack-99");
    await admin.shows("No node is like this.");
    expect(await admin.seriousFindings()).toEqual([]);
  }, 120_000);

  it("says when the planner could not be asked, and asks again", async () => {
    await admin.page.route("**/explain?nodes=all", (route) => route.fulfill({ status: 503, body: "{}" }));
    await admin.open("/explain/layer?all=true");
    await admin.shows("the control plane answered with status 503");
    expect(await admin.seriousFindings()).toEqual([]);
    await admin.page.unroute("**/explain?nodes=all");
    await admin.page.getByRole("button", { name: "Try again" }).click();
    await admin.page.getByRole("row", { name: /^edge-large/ }).waitFor();
  }, 120_000);
});

inBrowser("all of it", () => {
  it("asked no other origin, and broke no rule of the browser", () => {
    expect([admin.foreign, admin.complaints]).toEqual([[], []]);
  });
});
