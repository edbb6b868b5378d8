import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Page } from "playwright-core";
import { findBrowser, launch } from "../../console/support/browser.ts";
import { freePort, until } from "../../support/processes/skerry-process.ts";

/**
 * The path of somebody new, with a stopwatch: from a clone to a model of their own that answers in the console's
 * playground. The commands are those of the README and of `examples/your-model`; the browser is Chromium. Packages come
 * from the registries that npm and pip are set to, unless they are cached.
 *
 *   npm run bench -- newcomer
 *
 * SHOTS: a folder for a screenshot after each step.
 */
const ROOT = path.resolve(import.meta.dirname, "../../..");
const SHOTS = process.env["SHOTS"];
const START_MS = 300_000;
const PAGE_MS = 120_000;

const executable = findBrowser();
if (executable === undefined) process.exit(1);
const directory = await mkdtemp(path.join(tmpdir(), "skerry-newcomer-"));
const clone = path.join(directory, "skerry");
const beganAt = performance.now();
let stepAt = beganAt;
let skerry: ChildProcess | undefined;
let printed = "";
/** The end of `npm start`. */
let ended: Promise<unknown> = Promise.resolve();
const browser = await launch(executable);
try {
  await run("git", ["clone", "--quiet", ROOT, clone], directory);
  step("git clone");
  await run("npm", ["ci", "--no-audit", "--no-fund"], clone);
  step("npm ci");
  await run("python3", ["-m", "venv", ".venv"], clone);
  await run(".venv/bin/pip", ["install", "--quiet", "scikit-learn", "skl2onnx"], clone);
  step("pip install scikit-learn skl2onnx");
  const local = await run(".venv/bin/python", ["examples/your-model/export_sklearn.py"], clone);
  step(`train and export: ${local.trim()}`);

  const [port, ...nodePorts] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  skerry = spawn("npm", ["start", "--", "--port", String(port), "--node-ports", nodePorts.join(",")], {
    cwd: clone,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [skerry.stdout, skerry.stderr])
    stream?.on("data", (bytes: Buffer) => (printed += bytes.toString("utf8")));
  ended = new Promise((resolve) => skerry?.once("close", resolve));
  const signIn = await until("npm start prints an address", () => /http\S+#\S+/.exec(printed)?.[0], START_MS);
  step("npm start: digits served, addresses printed");

  const page = await (await browser.newContext({ viewport: { width: 1_280, height: 860 } })).newPage();
  page.setDefaultTimeout(PAGE_MS);
  await page.goto(signIn);
  await page.getByRole("navigation", { name: "Pages", exact: true }).waitFor();
  await shown(page, "the console is open and signed in");
  await page.getByRole("link", { name: "Models", exact: true }).click();
  await page.getByLabel("Files of a model").setInputFiles(path.join(clone, "diabetes.onnx"));
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByText("is ready.").waitFor();
  await shown(page, "diabetes.onnx dropped, published and checked");
  await page.getByRole("button", { name: "Deploy it" }).click();
  await page.getByText("would be ready on").waitFor();
  await shown(page, "the plan of a deployment is shown");
  await page.getByRole("dialog").getByRole("button", { name: "Deploy", exact: true }).click();
  await page.getByRole("link", { name: "Try it" }).waitFor();
  await shown(page, "deployed and ready");
  await page.getByRole("link", { name: "Try it" }).click();
  const request = JSON.parse(await readFile(path.join(clone, "examples/your-model/request.json"), "utf8")) as {
    inputs: { data: number[] }[];
  };
  await page.getByRole("textbox", { name: /^X\b/ }).fill(JSON.stringify(request.inputs[0]?.data));
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByText("diabetes:1").first().waitFor();
  await page.getByText("199.4").first().waitFor();
  await shown(page, "answered in the playground: 199.4");
  console.log(`${seconds(performance.now() - beganAt)}  from nothing to the answer`);
} catch (error) {
  console.log(printed.slice(-4_000));
  throw error;
} finally {
  await browser.close();
  if (skerry?.pid !== undefined && skerry.exitCode === null) process.kill(-skerry.pid, "SIGINT");
  await ended;
  await rm(directory, { recursive: true, force: true });
}
process.exit();

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1).padStart(6)} s`;
}

function step(what: string): void {
  const now = performance.now();
  console.log(`${seconds(now - stepAt)}  ${what}`);
  stepAt = now;
}

async function shown(page: Page, what: string): Promise<void> {
  step(what);
  if (SHOTS !== undefined) await page.screenshot({ path: path.join(SHOTS, `${what.replaceAll(/\W+/g, "-")}.png`) });
}

/** Runs a command to its end, and gives what it printed. Rejects with that when it fails. */
function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (bytes: Buffer) => (output += bytes.toString("utf8")));
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${command} ${args.join(" ")} ended with ${code}:\n${output}`)),
    );
  });
}
