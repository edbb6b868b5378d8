import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { CheckProcess } from "../../../control-plane/adapters/artifacts/check-process.ts";
import { findConfinement } from "../../../edge-node/adapters/host-process/confinement/confinement.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { eventually } from "../../support/eventually.ts";
import { loadBombModel, loopingRowsModel } from "../../support/models/onnx/hostile-models.ts";
import { constant, externalConstant, model } from "../../support/models/onnx/onnx-builder.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { floats, npy, npz } from "../../unit/cli/support/npz.ts";

const VARIANTS = new TextEncoder().encode("variants: [{ name: int8, file: model.int8.onnx }]\n");
/** Of a loop over an empty body: minutes, if nobody ends it. */
const TURNS = 10n ** 9n;
const turns = npz({ x: npy("<i8", [1], new Uint8Array(BigInt64Array.of(TURNS).buffer)) });
/** Takes what the looping one takes, and gives it back at once. */
const quick = identityModel("INT64", ["n"]);

let directory: string;
let checks: CheckProcess;
const within = (deadlineMs: number) =>
  new CheckProcess({ clock: systemClock, trial: { dataDir: directory, deadlineMs, baseMiB: 256 } });

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-hostile-variants-"));
  checks = within(120_000);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function check(
  given: Readonly<Record<string, Uint8Array>>,
  { by = checks, signal }: { readonly by?: CheckProcess; readonly signal?: AbortSignal } = {},
) {
  const folder = await mkdtemp(path.join(directory, "bundle-"));
  const files = [];
  for (const [index, [name, bytes]] of Object.entries({ "variants.yaml": VARIANTS, ...given }).entries()) {
    const file = path.join(folder, `u_1.${index}.part`);
    await writeFile(file, bytes, { mode: 0o600 });
    files.push({ name, path: file, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
  }
  const editedPath = path.join(folder, "edited.part");
  return by.check({ model: "m", version: 1, main: "model.onnx", files, editedPath }, signal);
}

/** Processes that run a graph in a folder of this test. */
async function running(): Promise<readonly number[]> {
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).map(Number).filter(Number.isInteger)) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    if (cwd.startsWith(directory)) found.push(pid);
  }
  return found;
}

/** Ticks of a processor that a process had used when it was seen with the runtime loaded. */
const seen = new Map<number, number>();

/** The process that has computed for a second with the runtime loaded: its graph loops. */
async function looping(): Promise<number | undefined> {
  for (const pid of await running()) {
    const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
    if (!seen.has(pid) && !(await read("maps")).includes("libonnxruntime")) continue;
    const [, fields = ""] = (await read("stat")).split(") ");
    const ticks = Number(fields.split(" ")[11]);
    if (ticks - (seen.get(pid) ?? ticks) > 100) return pid;
    if (!seen.has(pid)) seen.set(pid, ticks);
  }
  return undefined;
}

describe("a variant", () => {
  it("that loops is refused at the deadline, by name, and its process is gone", async () => {
    const graphs = { "model.onnx": quick, "model.int8.onnx": loopingRowsModel(), "samples.npz": turns };
    expect(await check(graphs, { by: within(30_000) })).toEqual({
      kind: "rejected",
      code: "INVALID_MODEL",
      reason:
        "the comparison of variants was stopped after 30 s, while variant int8 ran: put fewer samples into samples.npz, or a quicker graph into its place",
    });
    expect(await running()).toEqual([]);
  }, 120_000);

  it("that takes too much memory is refused by name, and its process is gone", async () => {
    const samples = npz({ x: floats([1], [1]) });
    const result = await check({
      "model.onnx": loadBombModel(1),
      "model.int8.onnx": loadBombModel(600),
      "samples.npz": samples,
    });
    expect(result).toMatchObject({
      code: "INVALID_MODEL",
      reason: expect.stringMatching(
        /^variant int8 needs more than the 257 MiB of memory that a comparison of variants/,
      ),
    });
    expect(await running()).toEqual([]);
  }, 120_000);

  it("whose process is killed is refused by name, so that no check is repeated for it", async () => {
    const result = check({ "model.onnx": quick, "model.int8.onnx": loopingRowsModel(), "samples.npz": turns });
    const pid = await eventually("it runs", looping, 60_000);
    process.kill(pid, "SIGKILL");
    expect(await result).toMatchObject({
      reason:
        "variant int8 ended the process in which variants are compared: it was killed, as happens when the machine is out of memory",
    });
  }, 120_000);

  it("is stopped with the check that asks it, which decides nothing", async () => {
    const abort = new AbortController();
    const graphs = { "model.onnx": quick, "model.int8.onnx": loopingRowsModel(), "samples.npz": turns };
    const result = check(graphs, { signal: abort.signal }).catch((error: unknown) => error);
    await eventually("it runs", looping, 60_000);
    const reason = new Error("the control plane stops");
    abort.abort(reason);
    expect(await result).toBe(reason);
    expect(await running()).toEqual([]);
  }, 120_000);

  it("may have its weights beside it, in a folder that only the control plane can enter", async () => {
    const y = { name: "y", datatype: "FP32", shape: ["n", 2] } as const;
    const layer = (weights: ReturnType<typeof constant>): Uint8Array =>
      model({
        nodes: [{ opType: "Mul", input: ["x", "w"], output: ["y"] }],
        inputs: [{ ...y, name: "x" }],
        outputs: [y],
        constants: [weights],
      });
    const bytes = new Uint8Array(Float32Array.of(1, 2).buffer);
    const result = await check({
      "model.onnx": layer(constant("w", "FP32", [2], Float32Array.of(1, 2))),
      "graphs/int8.onnx": layer(externalConstant("w", "FP32", [2], "int8.data")),
      "graphs/int8.data": bytes,
      "samples.npz": npz({ x: floats([2, 2], [1, 2, 4, 3]) }),
      "variants.yaml": new TextEncoder().encode("variants: [{ name: int8, file: graphs/int8.onnx }]\n"),
    });
    expect(result).toMatchObject({
      checked: { variants: [{ accuracy: { samples: 2, agreement: 1, maxDifference: 0 } }] },
    });
  }, 120_000);
});

describe("the process that compares variants", () => {
  it("is confined as a model host is, and ends with the one that started it", async () => {
    const folder = path.join(directory, "alone");
    await mkdir(folder, { mode: 0o700 });
    for (const [name, bytes] of Object.entries({ "a.onnx": quick, "b.onnx": loopingRowsModel(), "samples.npz": turns }))
      await writeFile(path.join(folder, name), bytes, { mode: 0o600 });
    const program = path.resolve(import.meta.dirname, "../../../edge-node/confined-trial.ts");
    const task = {
      reference: "a.onnx",
      defaults: [],
      variants: [{ name: "int8", file: "b.onnx" }],
      samples: "samples.npz",
      maxRows: 1,
    };
    const started = spawn(process.execPath, [program], { stdio: ["pipe", "ignore", "inherit"] });
    started.stdin.write(`${JSON.stringify({ dataDir: directory, folder, memMiB: 512, task })}\n`);
    const pid = await eventually("it runs", looping, 60_000);
    const proc = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, "utf8");
    const { measures } = await findConfinement({ hostUid: 61_001 });
    const isActive = (what: string) => measures.find((each) => each.what === what)?.isActive === true;
    const status = await proc("status");
    const isRoot = process.getuid?.() === 0;
    expect(status.includes("NoNewPrivs:\t1")).toBe(isActive("no new privileges"));
    if (isRoot && isActive("user without rights")) expect(status).toContain("Uid:\t61001\t61001\t61001\t61001");
    expect(await proc("environ")).not.toContain(process.env["PATH"] ?? "?");
    expect(await proc("limits")).toMatch(/Max core file size +0 /);
    const devices = (await proc("net/dev"))
      .split("\n")
      .slice(2)
      .filter((each) => each.trim() !== "");
    expect(devices.every((each) => /^ *lo: +0 +0 /.test(each))).toBe(isActive("no network"));

    const gone = new Promise((resolve) => started.once("exit", resolve));
    started.kill("SIGKILL");
    await gone;
    await eventually("it is gone too", async () => (await running()).length === 0, 10_000);
  }, 120_000);
});
