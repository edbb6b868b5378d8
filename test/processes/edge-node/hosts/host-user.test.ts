import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  type Confinement,
  findConfinement,
} from "../../../../edge-node/adapters/host-process/confinement/confinement.ts";
import { asUser, openStateFolder } from "../../../../edge-node/adapters/host-process/confinement/host-user.ts";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import { SharedProcesses } from "../../../../edge-node/adapters/host-process/shared-processes.ts";
import type { ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { MODEL_FILE } from "../../../../shared/protocol/model-files/bundle.ts";
import { softmaxModel } from "../../../support/models/onnx/onnx-models.ts";
import { eventually } from "../../../support/eventually.ts";
import { modelHostsOf } from "../../../support/processes/process-facts.ts";

const UID = 61_000;
const limits = { memMiB: 256, maxBatch: 8, queue: 64, timeoutMs: 60_000 };

let stateDir: string;
let confinement: Confinement;
const hosts: ModelHost[] = [];

/** As the node leaves it: everything is for its own user alone. */
beforeAll(async () => {
  stateDir = await mkdtemp(path.join(tmpdir(), "skerry-host-user-"));
  await writeFile(path.join(stateDir, "node.key"), "secret", { mode: 0o600 });
  const folder = path.join(stateDir, "artifacts", "digest");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(path.join(folder, MODEL_FILE), softmaxModel(), { mode: 0o400 });
  confinement = await findConfinement({ hostUid: UID, stateDir });
});
afterAll(async () => {
  for (const host of hosts) await host.stop(0);
  await rm(stateDir, { recursive: true, force: true });
});

const measure = (of: Confinement) => of.measures.find(({ what }) => what === "user without rights");
/** Whether a program of the hosts' user can do this to the file. */
const can = (test: string, file: string): boolean => {
  try {
    const [command = "", ...words] = asUser({ uid: UID, gid: UID });
    execFileSync(command, [...words, "test", test, path.join(stateDir, file)]);
    return true;
  } catch {
    return false;
  }
};

// Only root can give a process another user.
const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

asRoot("a model host of a node that runs as root", () => {
  it("has a user of its own, which reads its model and answers", async () => {
    expect(measure(confinement)).toMatchObject({ isActive: true, how: `uid ${UID}, not the node's` });
    const alone = new ProcessModelHosts({ workDirectory: path.join(stateDir, "work"), confinement });
    const directory = path.join(stateDir, "artifacts", "digest");
    const spec = { placementId: "p-1", model: "m", version: "1", directory, limits };
    const host = await alone.start(spec, () => undefined, new AbortController().signal);
    hosts.push(host);
    const [pid = 0] = await modelHostsOf(process.pid);
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    expect(status).toContain(`Uid:\t${UID}\t${UID}\t${UID}\t${UID}`);
    expect(status).toContain(`Gid:\t${UID}\t${UID}\t${UID}\t${UID}`);
    expect(status).toMatch(/CapEff:\t0+\n/);
    expect(status).toMatch(/Groups:\t *\n/);
    expect(host.rssMiB()).toBeGreaterThan(0);
  }, 60_000);

  it("reads nothing else of the node's, and writes nothing", async () => {
    expect(can("-r", `artifacts/digest/${MODEL_FILE}`)).toBe(true);
    expect(can("-r", "node.key")).toBe(false);
    expect(can("-r", ".")).toBe(false);
    for (const file of [".", "artifacts", "artifacts/digest", `artifacts/digest/${MODEL_FILE}`, "work", "work/empty"])
      expect([file, can("-w", file)]).toEqual([file, false]);
    expect((await stat(path.join(stateDir, "node.key"))).mode & 0o777).toBe(0o600);
  });

  it("gets no right that another group had on the state folder", async () => {
    const shared = await mkdtemp(path.join(tmpdir(), "skerry-of-a-group-"));
    await chmod(shared, 0o770);
    await openStateFolder({ uid: UID, gid: UID }, { stateDir: shared, workDirectory: path.join(shared, "work") });
    const { mode, gid } = await stat(shared);
    expect([(mode & 0o777).toString(8), gid]).toEqual(["710", UID]);
    await rm(shared, { recursive: true });
  });

  it("has it too when it runs several models", async () => {
    const shared = new SharedProcesses({ workDirectory: path.join(stateDir, "work"), confinement });
    const before = await modelHostsOf(process.pid);
    const host = await shared.open(256);
    const uids = async (): Promise<readonly (string | undefined)[]> => {
      const started = (await modelHostsOf(process.pid)).filter((each) => !before.includes(each));
      const statuses = await Promise.all(started.map((pid) => readFile(`/proc/${pid}/status`, "utf8")));
      return statuses.map((status) => /^Uid:\t(\d+)/m.exec(status)?.[1]);
    };
    await eventually("the process has its user", async () => (await uids()).includes(String(UID)));
    expect(await uids()).toEqual([String(UID)]);
    await host.stop(0);
  }, 60_000);

  it("runs as root where its user cannot enter the state folder, and that is said", async () => {
    const closed = await mkdtemp(path.join(tmpdir(), "skerry-closed-"));
    await mkdir(path.join(closed, "node"), { mode: 0o700 });
    const found = await findConfinement({ hostUid: UID, stateDir: path.join(closed, "node") });
    expect(found.user).toBeUndefined();
    expect(measure(found)).toMatchObject({
      isActive: false,
      how: expect.stringContaining(`uid ${UID} cannot reach ${path.join(closed, "node")}`),
    });
    expect((await findConfinement({ hostUid: UID, below: closed })).user).toBeUndefined();
    expect((await findConfinement({ hostUid: UID, below: tmpdir() })).user).toEqual({ uid: UID, gid: UID });
    expect(measure(await findConfinement({ hostUid: 0 }))).toMatchObject({ isActive: false });
    await rm(closed, { recursive: true });
  });
});
