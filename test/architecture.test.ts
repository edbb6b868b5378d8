import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { z } from "zod";

type Refusal = readonly [rule: string, message: string];

/** A file in a folder of this repository, and the rules that must refuse it, each with a part of what it says. */
interface Fixture {
  readonly title: string;
  readonly path: string;
  readonly text: string;
  readonly refusals: readonly Refusal[];
}

const IMPORTS = "eslint(no-restricted-imports)";
const GLOBALS = "eslint(no-restricted-globals)";
const PROPERTIES = "eslint(no-restricted-properties)";

const SIDES = "The sides never import each other";
const SHARED_LIBRARIES = "shared may use zod, canonicalize, node:crypto and node:zlib";
const CORE_ALONE = "core has no I/O and no libraries";
const CORE_IMPORTS = "core imports only core and shared";
const APP_ALONE = "app reaches the outside and libraries through its ports";
const APP_IMPORTS = "main.ts passes the adapters in";
const ADAPTERS = "Adapters never import one another";
const NO_ONNX = "A model never runs in the process that talks";
const AMBIENT = [
  "Date.now()",
  "new Date(0)",
  "globalThis.Date.now()",
  "performance.now()",
  "setTimeout(() => {}, 1)",
  "setInterval(() => {}, 1)",
  "setImmediate(() => {})",
  "clearTimeout(1)",
  "clearInterval(1)",
  "clearImmediate",
  "crypto.randomUUID()",
  "process.pid",
  "fetch",
  "WebSocket",
];

const allowed = (path: string, text: string): Fixture => ({
  title: `allows ${text} in ${dirname(path)}`,
  path,
  text,
  refusals: [],
});

const refused = (path: string, text: string, ...refusal: Refusal): Fixture => ({
  title: `refuses ${text} in ${dirname(path)}`,
  path,
  text,
  refusals: [refusal],
});

const fixtures: readonly Fixture[] = [
  ...["zod", "canonicalize", "node:crypto", "node:zlib", "./ids.ts"].map((name, i) =>
    allowed(`shared/protocol/good-${i}.ts`, `export * from "${name}";`),
  ),
  ...["express", "node:fs", "node:crypto/x", "@prisma/client", "zod/mini"].map((name, i) =>
    refused(`shared/protocol/bad-library-${i}.ts`, `export * from "${name}";`, IMPORTS, SHARED_LIBRARIES),
  ),
  ...["control-plane", "edge-node", "cli"].map((side) =>
    refused(`shared/bad-${side}.ts`, `export * from "../${side}/ports/x.ts";`, IMPORTS, "shared imports neither side"),
  ),

  allowed("shared/grpc-server/good.ts", `export * from "@grpc/grpc-js"; export * from "../inference/grpc/front.ts";`),
  refused("shared/grpc-server/bad-library.ts", `export * from "pg";`, IMPORTS, "may use grpc-js"),
  refused("shared/grpc-server/bad-side.ts", `export * from "../../cli/x.ts";`, IMPORTS, "shared imports neither side"),
  ...["shared/inference", "edge-node/core", "control-plane/app"].map((folder) =>
    refused(
      `${folder}/bad-grpc.ts`,
      `export * from "../../shared/grpc-server/x.ts";`,
      IMPORTS,
      "import the gRPC server",
    ),
  ),

  allowed("control-plane/adapters/http/good-side.ts", `export * from "../../../shared/base/ids.ts";`),
  refused("control-plane/app/bad-side.ts", `export * from "../../edge-node/core/plan.ts";`, IMPORTS, APP_IMPORTS),
  refused("control-plane/main.ts", `export * from "../edge-node/x.ts";`, IMPORTS, SIDES),
  refused("edge-node/main.ts", `export * from "../control-plane/x.ts";`, IMPORTS, SIDES),
  refused("edge-node/model-host/bad-side.ts", `export * from "../../control-plane/ports/plan.ts";`, IMPORTS, SIDES),
  refused("edge-node/adapters/http/bad-side.ts", `export * from "../../../control-plane/x.ts";`, IMPORTS, SIDES),
  refused(
    "control-plane/config.ts",
    `export * from "../test/support/x.ts";`,
    IMPORTS,
    "Nothing that runs in production",
  ),
  allowed("cli/good.ts", `export * from "commander"; export * from "node:fs"; export * from "../shared/base/ids.ts";`),
  refused(
    "cli/bad-control-plane.ts",
    `export * from "../control-plane/main.ts";`,
    IMPORTS,
    "starts the programs by path",
  ),
  refused("cli/bad-edge-node.ts", `export * from "../edge-node/main.ts";`, IMPORTS, "starts the programs by path"),

  allowed("console/src/ui/good.ts", `export * from "react"; export * from "../core/age.ts";`),
  allowed("console/src/core/fleet/good.ts", `export * from "../text/age.ts"; export * from "./tone.ts";`),
  ...["shared/base/ids.ts", "control-plane/core/x.ts", "edge-node/x.ts", "cli/x.ts"].map((path, i) =>
    refused(`console/src/ui/bad-${i}.ts`, `export * from "../../../${path}";`, IMPORTS, "knows the API alone"),
  ),
  ...["react", "../api/client.ts"].map((name, i) =>
    refused(`console/src/core/bad-${i}.ts`, `export * from "${name}";`, IMPORTS, "imports only itself"),
  ),
  refused("control-plane/bad-console.ts", `export * from "../console/src/x.ts";`, IMPORTS, "Nothing that runs"),

  allowed(
    "control-plane/core/scheduling/filters/good.ts",
    `export * from "../rank.ts"; export * from "../../fleet/x.ts";`,
  ),
  allowed("edge-node/core/good.ts", `export * from "../../shared/base/ids.ts"; export * from "./plan.ts";`),
  ...["zod", "pg", "node:fs", "node:crypto"].map((name, i) =>
    refused(`control-plane/core/bad-library-${i}.ts`, `export * from "${name}";`, IMPORTS, CORE_ALONE),
  ),
  refused("edge-node/core/bad-type.ts", `export type { ZodType } from "zod";`, IMPORTS, CORE_ALONE),
  refused("edge-node/core/bad-await.ts", `export const x = await import("node:fs");`, IMPORTS, CORE_ALONE),
  ...[
    "../../app/x.ts",
    "../../adapters/http/x.ts",
    "../../ports/plan.ts",
    "../../config.ts",
    "../../settings/x.ts",
    "../../compose/x.ts",
  ].map((name, i) =>
    refused(`control-plane/core/fleet/bad-${i}.ts`, `export * from "${name}";`, IMPORTS, CORE_IMPORTS),
  ),
  refused(
    "control-plane/core/fleet/bad-clock.ts",
    `export { systemClock } from "../../../shared/base/clock.ts";`,
    IMPORTS,
    "Time and chance are arguments",
  ),
  refused(
    "edge-node/core/bad-import-type.ts",
    `export type X = import("pg").Pool;`,
    "typescript(consistent-type-imports)",
    "annotations are forbidden",
  ),

  allowed("control-plane/app/good.ts", `export * from "../ports/plan.ts"; export * from "../core/fleet/x.ts";`),
  allowed("edge-node/ports/good.ts", `export * from "../core/plan.ts"; export * from "../../shared/base/ids.ts";`),
  ...["zod", "pino", "node:fs", "node:crypto"].map((name, i) =>
    refused(`edge-node/app/bad-library-${i}.ts`, `export * from "${name}";`, IMPORTS, APP_ALONE),
  ),
  ...["../adapters/http/x.ts", "../settings/x.ts", "../model-host/x.ts", "../../prisma/generated/x.ts"].map((name, i) =>
    refused(`edge-node/app/bad-${i}.ts`, `export * from "${name}";`, IMPORTS, APP_IMPORTS),
  ),
  refused("control-plane/ports/bad.ts", `export * from "../adapters/http/x.ts";`, IMPORTS, APP_IMPORTS),
  refused(
    "edge-node/app/bad-chance.ts",
    `export { systemRandom } from "../../shared/base/random.ts";`,
    IMPORTS,
    "Time and chance are constructor parameters",
  ),

  ...["core", "app"].flatMap((layer) => [
    ...AMBIENT.map((use, i) =>
      refused(`edge-node/${layer}/bad-global-${i}.ts`, `export const x = ${use};`, GLOBALS, ""),
    ),
    refused(`control-plane/${layer}/bad-random.ts`, `export const x = Math.random();`, PROPERTIES, "Chance comes from"),
    refused(
      `control-plane/${layer}/bad-wait.ts`,
      `export const x = AbortSignal.timeout(1);`,
      PROPERTIES,
      "Timers come",
    ),
  ]),
  allowed("edge-node/adapters/system/good-clock.ts", `export const x = [Date.now(), Math.random(), process.pid];`),
  allowed("test/unit/control-plane/core/good-clock.ts", `export const x = [Date.now(), Math.random()];`),

  allowed(
    "control-plane/adapters/postgres/good.ts",
    `export * from "./x.ts"; export * from "../../../prisma/generated/client.ts"; export * from "pg";`,
  ),
  allowed("control-plane/adapters/http/v1/good.ts", `export * from "../x.ts"; export * from "../../../app/x.ts";`),
  refused("control-plane/adapters/postgres/bad.ts", `export * from "../http/x.ts";`, IMPORTS, ADAPTERS),
  refused(
    "control-plane/adapters/postgres/bad-long.ts",
    `export * from "../../adapters/http/x.ts";`,
    IMPORTS,
    ADAPTERS,
  ),
  refused("control-plane/adapters/http/v1/bad.ts", `export * from "../../postgres/x.ts";`, IMPORTS, ADAPTERS),

  allowed("edge-node/model-host/good.ts", `export * from "onnxruntime-node";`),
  allowed("test/integration/good.ts", `export * from "onnxruntime-node"; export * from "../../edge-node/main.ts";`),
  ...["edge-node/adapters/onnx", "edge-node/adapters/onnx/x", "control-plane/model-inspector", "cli"].map((folder) =>
    refused(`${folder}/bad-onnx.ts`, `export * from "onnxruntime-node";`, IMPORTS, NO_ONNX),
  ),
  refused("examples/digits/bad-onnx.ts", `export * from "onnxruntime-node";`, IMPORTS, NO_ONNX),

  ...["$queryRawUnsafe", "$executeRawUnsafe"].flatMap((method) =>
    ["control-plane/adapters/postgres", "control-plane/app", "scripts"].map((folder) =>
      refused(
        `${folder}/bad-${method}.ts`,
        `export const ask = (db: Record<"${method}", () => void>): void => db.${method}();`,
        PROPERTIES,
        "values stay parameters",
      ),
    ),
  ),

  refused("shared/cycle-a.ts", `export * from "./cycle-b.ts";`, "import(no-cycle)", "cycle"),
  refused("shared/cycle-b.ts", `export type * from "./cycle-a.ts";`, "import(no-cycle)", "cycle"),
  refused("cli/bad-floating.ts", `Promise.resolve(1);`, "typescript(no-floating-promises)", "Promises must be awaited"),
  refused(
    "cli/bad-misused.ts",
    `export const x = [1].map(String).forEach(async () => {});`,
    "typescript(no-misused-promises)",
    "void return was expected",
  ),
  refused(
    "cli/bad-switch.ts",
    `export const name = (x: "a" | "b"): void => { switch (x) { case "a": } };`,
    "typescript(switch-exhaustiveness-check)",
    "not exhaustive",
  ),
  refused("cli/bad-any.ts", `export const x: any = 1;`, "typescript(no-explicit-any)", "any"),
  refused("cli/bad-default.ts", `export default 1;`, "import(no-default-export)", "named exports"),
  allowed("jest.config.mjs", `export default {};`),
  refused("edge-node/adapters/system/bad-log.ts", `console.log("x");`, "eslint(no-console)", "console"),
  ...["cli", "scripts", "examples/digits", "test/bench"].map((folder) =>
    allowed(`${folder}/good-log.ts`, `console.log("x");`),
  ),
];

const oxlintReport = z.object({
  diagnostics: z.array(
    z.object({ filename: z.string(), code: z.string(), message: z.string(), help: z.string().nullish() }),
  ),
});

describe(".oxlintrc.json", () => {
  const root = join(import.meta.dirname, "..");
  const tree = mkdtempSync(join(tmpdir(), "skerry-lint-"));
  const complaints = new Map<string, Refusal[]>();

  beforeAll(() => {
    for (const file of [".oxlintrc.json", "tsconfig.json", "package.json"]) cpSync(join(root, file), join(tree, file));
    symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
    for (const { path, text } of fixtures) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      writeFileSync(join(tree, path), text);
    }
    const oxlint = join(root, "node_modules/.bin/oxlint");
    const { stdout } = spawnSync(process.execPath, [oxlint, "--format=json"], { cwd: tree, encoding: "utf8" });
    for (const { filename, code, message, help } of oxlintReport.parse(JSON.parse(stdout)).diagnostics) {
      complaints.set(filename, [...(complaints.get(filename) ?? []), [code, `${message} ${help ?? ""}`]]);
    }
  });

  afterAll(() => rmSync(tree, { recursive: true }));

  it.each(fixtures)("$title", ({ path, refusals }) => {
    const expected = refusals.map(([rule, message]) => [rule, expect.stringContaining(message)]);
    expect(complaints.get(path) ?? []).toEqual(expected);
  });
});
