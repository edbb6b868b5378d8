import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { renderSettings, renderUnit } from "../../../../cli/join/service/unit.ts";
import { EDGE_NODE } from "../../../../cli/processes/programs.ts";
import { SETTINGS } from "../../../../edge-node/settings.ts";
import { runCli } from "../support/run-cli.ts";

const ROOT = path.resolve(import.meta.dirname, "../../../..");
const TEMPLATE = readFileSync(path.join(ROOT, "deploy/systemd/skerry-node.service"), "utf8");
const { nodeFlags } = EDGE_NODE;
const COMMAND = `${nodeFlags.join(" ")} edge-node/main.ts`;

const unitOf = (root: string, node: string): string => renderUnit(TEMPLATE, { root, node, nodeFlags });
/** All values of one setting of a unit, in their order. */
const valuesOf = (unit: string, name: string): readonly string[] =>
  unit.split("\n").flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []));

/** Of systemd-analyze: from 0, nothing is exposed, to 10. Undefined where there is none, or one older than 250. */
function exposureOf(unit: string): number | undefined {
  const directory = mkdtempSync(path.join(tmpdir(), "skerry-unit-"));
  try {
    const file = path.join(directory, "skerry-node.service");
    writeFileSync(file, unit);
    const { stdout, stderr, error } = spawnSync("systemd-analyze", ["security", "--offline=true", file], {
      encoding: "utf8",
    });
    if (error !== undefined || stderr.includes("unrecognized option")) return undefined;
    return Number(/exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe("the unit of a node", () => {
  it("as it is in deploy/ starts the node as the command line does, with settings that it has", () => {
    expect(valuesOf(TEMPLATE, "ExecStart")).toEqual([`/usr/bin/node ${COMMAND}`]);
    const named = [...TEMPLATE.matchAll(/\bSKERRY_[A-Z_]+/g)].map(([name]) => name);
    expect(named.filter((name) => !SETTINGS.has(name))).toEqual([]);
  });

  it("runs what is installed where it is", () => {
    const unit = unitOf("/srv/skerry", "/srv/skerry/node_modules/node/bin/node");
    expect(valuesOf(unit, "WorkingDirectory")).toEqual(["/srv/skerry"]);
    expect(valuesOf(unit, "ExecStart")).toEqual([`/srv/skerry/node_modules/node/bin/node ${COMMAND}`]);
    expect(valuesOf(unit, "ProtectHome")).toEqual(["yes"]);
    expect(unit).not.toContain("BindReadOnlyPaths");
  });

  it.each([
    ["both in a home folder", "/home/pi/skerry", "/home/pi/skerry/node", "/home/pi/skerry"],
    ["its Node in a home folder", "/opt/skerry", "/root/.nvm/bin/node", "/root/.nvm/bin/node"],
    ["each in one of its own", "/home/pi/skerry", "/home/ann/node", "/home/pi/skerry /home/ann/node"],
  ])("shows the service that much of home folders, and no more: %s", (_, root, node, shown) => {
    const unit = unitOf(root, node);
    expect(valuesOf(unit, "ProtectHome")).toEqual(["tmpfs"]);
    expect(valuesOf(unit, "BindReadOnlyPaths")).toEqual([shown]);
  });

  it.each([
    ["/tmp/skerry", "when the machine starts again"],
    ["/home/pi/my skerry", "cannot be named in a unit file"],
    ["/opt/50%skerry", "cannot be named in a unit file"],
  ])("is not made for %j", (root, why) => {
    expect(() => unitOf(root, "/usr/bin/node")).toThrow(why);
  });

  it("exposes 2.5 of 10 at most to what runs in it, wherever it is installed", () => {
    for (const unit of [TEMPLATE, unitOf("/home/pi/skerry", "/home/pi/node")])
      expect(exposureOf(unit) ?? 0).toBeLessThanOrEqual(2.5);
  });
});

describe("the settings of the service", () => {
  it("are read by a shell as they were given", () => {
    const given = { SKERRY_URL: "https://skerry.example", SKERRY_NODE_NAME: "dock-7", NO_PROXY: 'a b,$HOME`"\\' };
    const file = renderSettings(given);
    for (const [name, value] of Object.entries(given))
      expect(execFileSync("sh", ["-c", `${file}\nprintf %s "$${name}"`], { encoding: "utf8" })).toBe(value);
  });
});

describe("skerry join --install-service", () => {
  it("says where the service has its data when another folder is named", async () => {
    const { exitCode, stderr } = await runCli(["join", "--install-service", "--dir", "/srv/data"]);
    expect([exitCode, stderr]).toEqual([64, expect.stringContaining("/var/lib/skerry")]);
  });

  it("does not go together with its opposite", async () => {
    const { exitCode, stderr } = await runCli(["join", "--install-service", "--uninstall-service"]);
    expect([exitCode, stderr]).toEqual([64, expect.stringContaining("exclude one another")]);
  });

  it("says what is missing, and changes nothing, without systemd or without the rights of root", async () => {
    const isBooted = existsSync("/run/systemd/system");
    // Here it would do what it says.
    if (isBooted && process.geteuid?.() === 0) return;
    for (const option of ["--install-service", "--uninstall-service"]) {
      const { exitCode, stderr } = await runCli(["join", option, "skj1.a.b.c.d", "--name", "dock-7"]);
      expect(exitCode).toBe(isBooted ? 4 : 1);
      expect(stderr).toContain(
        isBooted ? "run the same with sudo" : "needs systemd, which does not run on this machine",
      );
    }
  });
});
