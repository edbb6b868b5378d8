import { spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { OwnAuthority } from "../../../../control-plane/adapters/tls/own-authority.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeApi } from "../../../integration/cli/support/fake-api.ts";
import { listOf, nodeNamed } from "../../../integration/cli/support/objects.ts";

const PLUGIN = path.resolve(import.meta.dirname, "../../../../cli/kubectl-skerry.mjs");

let api: FakeApi;
let folder: string;
let port: string;
beforeEach(async () => {
  api = new FakeApi();
  port = new URL(await api.start()).port;
  api.on("GET /api/v1/nodes", listOf(nodeNamed("pod-1")));
  folder = await mkdtemp(path.join(tmpdir(), "skerry-kubectl-"));
});
afterEach(async () => {
  await api.stop();
  await rm(folder, { recursive: true });
});

/** `kubectl` of this test: writes its arguments down, and `script` is what it does for `port-forward`. */
async function plugin(script: string, ...args: readonly string[]) {
  const kubectl = path.join(folder, "kubectl");
  const secret = Buffer.from("sk_of_the_cluster\n").toString("base64");
  await writeFile(
    kubectl,
    `#!/bin/sh\necho "$*" >> "${folder}/asked"\ncase "$*" in *port-forward*) ${script} ;; *secret*) echo ${secret} ;; esac\n`,
  );
  await chmod(kubectl, 0o755);
  const { SKERRY_SERVER: _server, SKERRY_API_KEY: _key, ...rest } = process.env;
  const child = spawn(process.execPath, [PLUGIN, ...args], {
    env: { ...rest, PATH: `${folder}:${process.env["PATH"]}`, XDG_CACHE_HOME: folder, SKERRY_CONFIG: `${folder}/none` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = { stdout: "", stderr: "" };
  child.stdout.on("data", (bytes: Buffer) => (printed.stdout += bytes.toString()));
  child.stderr.on("data", (bytes: Buffer) => (printed.stderr += bytes.toString()));
  const exitCode = await new Promise((resolve) => child.once("close", resolve));
  const asked = await readFile(`${folder}/asked`, "utf8").catch(() => "");
  return { exitCode, ...printed, asked: asked.split("\n").filter((line) => line !== "") };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("kubectl skerry", () => {
  it("speaks to the control plane of the cluster with its key, and ends what it started", async () => {
    const forward = `echo $$ > "${folder}/pid"; echo "Forwarding from 127.0.0.1:${port} -> 7070"; exec sleep 60`;
    const { exitCode, stdout, asked } = await plugin(
      forward,
      "-n",
      "edge",
      "--kube-context",
      "prod",
      "nodes",
      "ls",
      "-o",
      "name",
    );
    expect([exitCode, stdout]).toEqual([0, "pod-1\n"]);
    expect(api.asked[0]?.headers.authorization).toBe("Bearer sk_of_the_cluster");
    expect(asked).toEqual([
      "--namespace edge --context prod port-forward --address 127.0.0.1 svc/skerry-control-plane :7070",
      "--namespace edge --context prod get secret skerry-admin --output jsonpath={.data.admin\\.key}",
    ]);
    const pid = Number(await readFile(`${folder}/pid`, "utf8"));
    await eventually("it has ended", () => !isRunning(pid));
  });

  it("speaks TLS where an authority is given", async () => {
    const { cert, key } = await new OwnAuthority(folder, () => Date.now()).certificateFor(["127.0.0.1"]);
    const asked: (string | undefined)[] = [];
    const secure = createServer({ cert, key }, (request, response) => {
      asked.push(request.headers.authorization);
      response.setHeader("content-type", "application/json").end(JSON.stringify(listOf(nodeNamed("pod-2"))));
    });
    await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
    try {
      const { port: securePort } = secure.address() as AddressInfo;
      const forward = `echo "Forwarding from 127.0.0.1:${securePort} -> 7070"; exec sleep 60`;
      const ca = path.join(folder, "ca.pem");
      const { exitCode, stdout, stderr } = await plugin(forward, "nodes", "ls", "-o", "name", "--ca", ca);
      expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: "pod-2\n", stderr: "" });
      expect(asked).toEqual(["Bearer sk_of_the_cluster"]);
    } finally {
      await new Promise((resolve) => secure.close(resolve));
    }
  });

  it("says what kubectl says when there is no way", async () => {
    const { exitCode, stderr } = await plugin('echo "services \\"x\\" not found" >&2; exit 1', "nodes", "ls");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("the control plane in the namespace skerry cannot be reached through kubectl");
    expect(stderr).toContain('services "x" not found');
  });

  it("forwards nothing for help, or when another server is named", async () => {
    const help = await plugin("exit 1", "nodes", "--help");
    const named = await plugin("exit 1", "nodes", "ls", "-o", "name", "--server", `http://127.0.0.1:${port}`);
    expect([help.exitCode, named.exitCode, named.stdout, named.asked]).toEqual([0, 0, "pod-1\n", []]);
  });
});
