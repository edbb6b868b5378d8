import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  type Confinement,
  findConfinement,
} from "../../../../edge-node/adapters/host-process/confinement/confinement.ts";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type { ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { softmaxModel } from "../../../support/models/onnx/onnx-models.ts";
import { modelHostsOf } from "../../../support/processes/process-facts.ts";

let directory: string;
let confinement: Confinement;
let host: ModelHost;
let pid: number;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-confined-"));
  confinement = await findConfinement();
  const hosts = new ProcessModelHosts({ workDirectory: path.join(directory, "work"), confinement });
  const folder = path.join(directory, "model");
  await mkdir(folder);
  await writeFile(path.join(folder, MODEL_FILE), softmaxModel());
  const limits = { memMiB: 256, maxBatch: 8, queue: 64, timeoutMs: 60_000 };
  const spec = { placementId: "p-1", model: "m", version: "1", directory: folder, limits };
  host = await hosts.start(spec, () => undefined, new AbortController().signal);
  [pid = 0] = await modelHostsOf(process.pid);
}, 60_000);

afterAll(async () => {
  await host?.stop(0);
  await rm(directory, { recursive: true, force: true });
});

const isActive = (what: string): boolean =>
  confinement.measures.find((measure) => measure.what === what)?.isActive === true;
const proc = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, "utf8");

describe("a confined model host", () => {
  it("is limited in files, and can never gain rights where that is said", async () => {
    const limits = await proc("limits");
    expect(limits).toMatch(/Max core file size +0 /);
    expect(limits).toMatch(/Max open files +1024 +1024 /);
    expect(limits).toMatch(/Max file size +67108864 /);
    expect((await proc("status")).includes("NoNewPrivs:\t1")).toBe(isActive("no new privileges"));
  });

  it("has no network but its own empty one where that is said", async () => {
    const devices = (await proc("net/dev"))
      .split("\n")
      .slice(2)
      .filter((line) => line.trim() !== "");
    const own = (await readFile("/proc/self/net/dev", "utf8")).split("\n").length;
    expect(own).toBeGreaterThan(2);
    const hasNone = devices.every((line) => /^ *lo: +0 +0 /.test(line));
    expect(hasNone).toBe(isActive("no network"));
  });

  it("sees none of the node's environment", async () => {
    expect(await proc("environ")).not.toContain(process.env["PATH"] ?? "?");
  });
});
