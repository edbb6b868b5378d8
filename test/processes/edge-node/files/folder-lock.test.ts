import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { lockFolder } from "../../../../edge-node/adapters/filesystem/folder-lock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-lock-"));
});
afterEach(() => rm(folder, { recursive: true }));

const holderIs = (holder: object): Promise<void> =>
  writeFile(path.join(folder, "node.lock"), JSON.stringify({ startedAt: "", host: hostname(), folder, ...holder }));
const holder = async (): Promise<unknown> => JSON.parse(await readFile(path.join(folder, "node.lock"), "utf8"));

describe("the lock of a state folder", () => {
  it("refuses a second process while the first one runs, and names it", async () => {
    await holderIs({ pid: process.ppid });
    await expect(lockFolder(folder)).rejects.toThrow(`is in use by the node with process id ${process.ppid}`);
  });

  it("is taken over from a process that was killed", async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    await once(child, "spawn");
    await holderIs({ pid: child.pid });
    child.kill("SIGKILL");
    await once(child, "close");
    await lockFolder(folder);
    expect(await holder()).toMatchObject({ pid: process.pid });
  });

  it("is taken over when another process has the id of the killed one, after a restart of the machine", async () => {
    await holderIs({ pid: process.ppid, startedAt: "1" });
    await lockFolder(folder);
    expect(await holder()).toMatchObject({ pid: process.pid });
  });

  it("is taken over when the file was cut short, or is of another container or folder", async () => {
    await writeFile(path.join(folder, "node.lock"), '{"pid":');
    const release = await lockFolder(folder);
    await release();
    await holderIs({ pid: process.ppid, host: "another" });
    await (
      await lockFolder(folder)
    )();
    await holderIs({ pid: process.ppid, folder: "/where/it/was/copied/from" });
    await lockFolder(folder);
    expect(await holder()).toMatchObject({ pid: process.pid });
  });
});
