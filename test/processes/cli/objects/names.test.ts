import { spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeApi } from "../../../integration/cli/support/fake-api.ts";
import { listOf, nodeNamed } from "../../../integration/cli/support/objects.ts";

let api: FakeApi;
let folder: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  api = new FakeApi();
  folder = await mkdtemp(join(tmpdir(), "skerry-names-"));
  env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test", XDG_CACHE_HOME: folder };
});
afterEach(async () => {
  await api.stop();
  await rm(folder, { recursive: true });
});
const cli = (...args: readonly string[]): Promise<CliResult> => runCli(args, { env });

describe("an object that is not found", () => {
  it.each([
    [["nodes", "get", "egde-a"], "nodes", "edge-a"],
    [["nodes", "drain", "edge-aa"], "nodes", "edge-a"],
    [["logs", "edgea"], "nodes", "edge-a"],
    [["explain", "digts"], "deployments", "digits"],
    [["models", "inspect", "digit:1"], "models", "digits"],
    [["pools", "get", "big-podz"], "cloud-pools", "big-pods"],
  ])("is the one that %j probably means", async (args, list, meant) => {
    api.on(`GET /api/v1/${list}`, listOf({ name: "other" }, { name: meant }));
    // The names are asked for with 2 s, and without them there is no suggestion.
    const { exitCode, stderr } = await eventually("the names came in time", async () => {
      const result = await cli(...args);
      return result.stderr.includes("did you mean") && result;
    });
    expect(exitCode).toBe(5);
    expect(stderr).toContain(`fix      did you mean ${meant}?\n           the fix`);
  });

  it("is left as it is when no name is near, or the names cannot be read", async () => {
    api.on("GET /api/v1/nodes", listOf(nodeNamed("harbour")));
    expect((await cli("nodes", "get", "edge-a")).stderr).not.toContain("did you mean");
    api.problem("GET /api/v1/nodes", 403, "FORBIDDEN", "no.");
    expect((await cli("nodes", "get", "edge-a")).stderr).not.toContain("did you mean");
  });
});

describe("names for the shell", () => {
  /** A shell waits 0.7 s for names: where they come later there are none. */
  const completed = (kind: string): Promise<CliResult> =>
    eventually("the names came in time", async () => {
      const result = await cli("complete", kind);
      return result.stdout !== "" && result;
    });

  it("are read once and then kept for a while", async () => {
    api.on("GET /api/v1/nodes", listOf(nodeNamed("edge-a"), nodeNamed("edge-b")));
    expect(await completed("nodes")).toEqual({ exitCode: 0, stdout: "edge-a\nedge-b\n", stderr: "" });
    const asked = api.asked.length;
    await cli("complete", "nodes");
    expect(api.asked).toHaveLength(asked);
    await runCli(["complete", "nodes"], { env: { ...env, SKERRY_API_KEY: "sk_other" } });
    expect(api.asked).toHaveLength(asked + 1);
  });

  it("are none, without a word, when the server refuses or is away or does not answer in time", async () => {
    api.problem("GET /api/v1/nodes", 403, "FORBIDDEN", "no.");
    api.on("GET /api/v1/models", () => undefined);
    const silent = { exitCode: 0, stdout: "", stderr: "" };
    expect(await cli("complete", "nodes")).toEqual(silent);
    expect(await cli("complete", "models")).toEqual(silent);
    expect(await cli("complete", "pools", "--server", "http://127.0.0.1:2999")).toEqual(silent);
  });

  it("leave out what a shell would expand", async () => {
    api.on("GET /api/v1/nodes", listOf({ name: "$(touch x)" }, { name: "a b" }, { name: "edge-a" }));
    expect((await completed("nodes")).stdout).toBe("edge-a\n");
  });

  it("are those of contexts, of the file alone", async () => {
    const config = join(folder, "config.json");
    await writeFile(config, JSON.stringify({ current: null, contexts: { prod: { server: "http://x" } } }));
    const { stdout } = await runCli(["complete", "contexts"], { env: { ...env, SKERRY_CONFIG: config } });
    expect([stdout, api.asked.length]).toEqual(["prod\n", 0]);
  });
});

describe("the script for bash", () => {
  /** Presses Tab behind `line`; `skerry complete` is a program that names its arguments. */
  async function tab(line: string): Promise<readonly string[]> {
    const skerry = join(folder, "skerry");
    await writeFile(skerry, '#!/bin/sh\n[ "$1" = complete ] && echo "$2-1 $2-2" && echo "$*" > "$0.log"\nexit 0\n');
    await chmod(skerry, 0o755);
    const { stdout: script } = await runCli(["completion", "bash"]);
    const words = line.split(" ");
    const test = [
      script,
      `COMP_WORDS=(${words.map((word) => `'${word === "skerry" ? skerry : word}'`).join(" ")})`,
      `COMP_CWORD=${words.length - 1}`,
      "_skerry",
      'printf "%s\\n" "${COMPREPLY[@]}"',
    ].join("\n");
    const bash = spawn("bash", ["-c", test], { stdio: ["ignore", "pipe", "inherit"] });
    let printed = "";
    bash.stdout.on("data", (bytes: Buffer) => (printed += bytes.toString()));
    await new Promise((resolve) => bash.once("close", resolve));
    return printed.split("\n").filter((word) => word !== "");
  }

  it.each([
    ["skerry nod", ["nodes"]],
    ["skerry nodes unc", ["uncordon"]],
    ["skerry nodes get ", ["nodes-1", "nodes-2"]],
    ["skerry explain d", ["deployments-1", "deployments-2"]],
    ["skerry -o json models get ", ["models-1", "models-2"]],
    ["skerry context use ", ["contexts-1", "contexts-2"]],
    ["skerry infer digits --node ", ["nodes-1", "nodes-2"]],
    ["skerry -o j", ["json"]],
    ["skerry doctor e", ["edge"]],
    ["skerry nodes ls --wa", ["--watch", "--wait"]],
    ["skerry nodes get edge-a ", []],
    ["skerry models push --sign ", []],
    ["skerry nonsense x", []],
  ])("completes %j with %j", async (line, words) => {
    expect(await tab(line)).toEqual(words);
  });

  it("asks the server that the line names", async () => {
    await tab("skerry --server http://x --context prod nodes get ");
    expect(await readFile(join(folder, "skerry.log"), "utf8")).toBe(
      "complete nodes --server http://x --context prod\n",
    );
  });
});
