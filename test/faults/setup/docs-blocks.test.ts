import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { regressorModel } from "../../support/models/onnx/onnx-models.ts";
import { fp16LayerModel, int8LayerModel, layerInputs, layerModel } from "../../support/models/onnx/variant-models.ts";
import { floats, npz } from "../../unit/cli/support/npz.ts";
import { writeTinyGguf } from "../../support/models/text/tiny-gguf.ts";
import { largeModel } from "../../support/models/onnx/large-model.ts";
import { freePort, SkerryProcess, until } from "../../support/processes/skerry-process.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const PATIENCE_MS = 60_000;
/** An address of this machine that is not loopback, for a node that serves its LAN. */
const LAN =
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === "IPv4")?.address ?? "127.0.0.1";

/** Sum of the row in `examples/your-model/request.json`. */
const ROW_SUM = 0.04954862;

let directory: string;
let skerry: SkerryProcess;
/** What a page says, and what it is here. */
let here: readonly (readonly [string, string])[];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-docs-"));
  const [port = 0, nodeA = 0, nodeB = 0, cloud = 0, joined = 0] = await Promise.all(
    Array.from({ length: 5 }, freePort),
  );
  here = [
    ["http://127.0.0.1:7070", `http://127.0.0.1:${port}`],
    ["https://skerry.example", `http://127.0.0.1:${port}`],
    ["http://127.0.0.1:7081", `http://127.0.0.1:${nodeA}`],
    [":7090", `:${joined}`],
    ["skerry join", `skerry join --local-port ${joined}`],
    ["10.0.0.7", LAN],
  ];
  await mkdir(path.join(directory, "bin"));
  await symlink(path.join(ROOT, "examples"), path.join(directory, "examples"));
  for (const [file, intercept] of Object.entries({ "diabetes.onnx": 100, "diabetes-2.onnx": 200 }))
    await writeFile(path.join(directory, file), regressorModel({ features: 10, intercept }));
  await program("skerry", `exec "${process.execPath}" "${path.join(ROOT, "cli/main.mjs")}" "$@"`);
  // `npm run -s skerry -- …`, and the scripts of examples.
  const sensor = path.join(ROOT, "examples/stream/sensor.ts");
  await program(
    "npm",
    `case "$3" in example:sensor) shift 4; exec "${process.execPath}" "${sensor}" "$@";; esac\nshift 4; exec skerry "$@"`,
  );
  skerry = new SkerryProcess("cli/main.ts", {
    args: [
      "dev",
      "--dir",
      path.join(directory, ".skerry"),
      "--port",
      String(port),
      "--node-ports",
      [nodeA, nodeB, cloud].join(","),
    ],
    env: {},
    log: path.join(directory, "dev.log"),
  });
  await until("it serves", () => skerry.output.includes("Ctrl-C"), PATIENCE_MS);
}, 180_000);

afterAll(async () => {
  await skerry?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** The file of a result whose decision is not `sound`. */
function windowOf(line: string): readonly string[] {
  const { item, response } = JSON.parse(line) as {
    item: string;
    response: { outputs: { name: string; data: string[] }[] };
  };
  const [decision] = response.outputs.find(({ name }) => name === "decision")?.data ?? [];
  return decision === "sound" ? [] : [item.split(":")[0] ?? ""];
}

const program = async (name: string, script: string): Promise<void> => {
  const file = path.join(directory, "bin", name);
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
};

/**
 * The fenced blocks of a page that name one of `languages`, without the comments behind their commands. A page that
 * shows what is printed calls its commands `sh`.
 */
async function blocksOf(page: string, languages: readonly string[] = ["", "yaml"]): Promise<readonly string[]> {
  const text = await readFile(path.join(ROOT, page), "utf8");
  const blocks = text.matchAll(/^```(?<language>\w*)\n(?<block>.*?)^```$/gms).map(({ groups }) => groups);
  const executed = blocks.filter((groups) => languages.includes(groups?.["language"] ?? ""));
  return [...executed].map(({ block = "" } = {}) =>
    here.reduce((script, [said, is]) => script.replaceAll(said, is), block.replaceAll(/ {2,}# .*$/gm, "")),
  );
}

/** A command where `.skerry` is. */
function start(script: string): {
  readonly printed: () => string;
  interrupt: () => void;
  ended: Promise<number | null>;
} {
  const shell = spawn("bash", ["-euc", script], {
    cwd: directory,
    env: { ...process.env, PATH: `${path.join(directory, "bin")}:${process.env["PATH"]}`, HOME: directory },
  });
  let output = "";
  for (const stream of [shell.stdout, shell.stderr]) stream.on("data", (bytes: Buffer) => (output += bytes.toString()));
  const ended = new Promise<number | null>((resolve) => shell.once("close", resolve));
  return { printed: () => output, interrupt: () => void shell.kill("SIGINT"), ended };
}

async function run(script: string): Promise<string> {
  const { printed, ended } = start(script);
  const code = await ended;
  if (code !== 0) throw new Error(`${script} ended with ${code}:\n${printed()}`);
  return printed();
}

/** For a command that goes on until Ctrl-C, which it gets as soon as `isEnough`. */
async function runUntil(script: string, isEnough: (printed: string) => boolean | Promise<boolean>): Promise<string> {
  const { printed, interrupt, ended } = start(script);
  try {
    await until(`${script} has done its work`, () => isEnough(printed()), PATIENCE_MS);
  } finally {
    interrupt();
    await ended;
  }
  return printed();
}

describe("the commands of the pages", () => {
  it("README.md: what to look at while it runs", async () => {
    const [, block = ""] = await blocksOf("README.md");
    const lines = block.trim().split("\n");
    expect(lines).toHaveLength(5);
    const outputs: string[] = [];
    for (const line of lines) {
      const isEndless = line.includes("events -w");
      outputs.push(await (isEndless ? runUntil(line, (printed) => printed.includes("PlacementReady")) : run(line)));
    }
    for (const [i, expected] of ["cloud-a", "digits", "cloud-a", "PlacementReady", "echo skj1."].entries())
      expect(outputs[i]).toContain(expected);
  }, 180_000);

  it("docs/open-inference.md: metadata at the control plane and at a node", async () => {
    const [block = ""] = await blocksOf("docs/open-inference.md");
    const output = await run(block);
    for (const expected of ['"name":"skerry"', '"platform":"onnx', "--help", '{"models":['])
      expect(output).toContain(expected);
  }, 180_000);

  it("docs/access.md: a session of a browser from its beginning to its end", async () => {
    const [block = ""] = await blocksOf("docs/access.md", ["sh"]);
    const output = await run(block);
    expect(output).toContain('"name":"cloud-a"');
    expect(output).not.toContain("urn:skerry:error");
  }, 180_000);

  it("docs/watching.md: what is there, and what changes", async () => {
    const [watch = "", ...others] = await blocksOf("docs/watching.md", ["sh"]);
    expect(await runUntil(watch, (printed) => printed.includes("event: bookmark"))).toContain(
      'data: {"name":"cloud-a"',
    );
    for (const block of others) await runUntil(block, (printed) => printed.includes("cloud-a"));
  }, 180_000);

  // Before a node comes and is lost: it asks for every one at the edge.
  it("docs/variants.md: a model with its variants, from the push to what each node has", async () => {
    const [push = "", apply = ""] = await blocksOf("docs/variants.md", [""]);
    const [document = "", deployment = ""] = await blocksOf("docs/variants.md", ["yaml"]);
    const folder = path.join(directory, "layer");
    await mkdir(folder);
    const files = {
      "model.onnx": layerModel(),
      "model.int8.onnx": int8LayerModel(),
      "model.fp16.onnx": fp16LayerModel(),
      "samples.npz": npz({ x: floats([100, 32], [...layerInputs(100)]) }),
      "variants.yaml": document,
    };
    for (const [name, bytes] of Object.entries(files)) await writeFile(path.join(folder, name), bytes);
    await writeFile(path.join(directory, "layer.yaml"), deployment);
    expect(await run(push)).toMatch(/int8: model.int8.onnx \(.*\), decides as the reference in 100 % of 100 samples/);
    expect(await run(apply)).toMatch(/layer:1 \(reference\)[^]*it fits, and none was measured to be much quicker/);
    await run("skerry deployments rm layer --wait");
  }, 180_000);

  it("docs/nodes.md: a machine joins, and serves its LAN with keys of its own", async () => {
    const [joining = "", serving = ""] = await blocksOf("docs/nodes.md");
    const [create = "", join = ""] = joining.trim().split("\n");
    const token = /skj1\.\S+/.exec(await run(create))?.[0] ?? "";
    await writeFile(path.join(directory, "dock-7.token"), token);
    await runUntil(join, (printed) => printed.includes("ready"));

    const [makeKey = "", serve = "", ask = ""] = serving.trim().split("\n");
    const key = /skn_\S+/.exec(await run(makeKey))?.[0] ?? "";
    let answer = "";
    await runUntil(serve, async () => {
      const asked = start(ask.replace("skn_…", key));
      if ((await asked.ended) === 0) answer = asked.printed();
      return answer !== "";
    });
    expect(answer).toContain('"models"');
  }, 180_000);

  it("docs/deployments.md: what a changed fleet would do", async () => {
    const [cordon = "", remove = "", drain = ""] = (await blocksOf("docs/deployments.md", ["sh"]))
      .join("")
      .trim()
      .split("\n");
    expect(await run(cordon)).toContain("Nothing would be placed or moved.");
    expect(await run(remove)).toMatch(/cloud-a +node-connected +never +cloud-a was revoked/);
    // What is printed depends on where the replica is: the page shows the header and what holds for both nodes.
    const [transcript = ""] = await blocksOf("docs/deployments.md", ["text"]);
    const printed = await run(drain);
    const headers = (text: string) =>
      text.match(/^(?:ROUND|DEPLOYMENT) .*$/gm)?.map((line) => line.replaceAll(/ +/g, " "));
    expect(headers(printed)).toEqual(headers(transcript));
    expect(printed).toMatch(/1 +place +digits +digits:1 +edge-c/);
    expect(await run("skerry nodes ls -o name")).not.toContain("edge-c");
  });

  it("docs/traffic.md: load, traffic and faults", async () => {
    const [looks = "", traffic = ""] = await blocksOf("docs/traffic.md", ["sh"]);
    const [top = "", bench = "", logs = ""] = looks.trim().split("\n");
    expect(await run(top)).toMatch(/^digits +(\d)\/\1 /m);
    expect(await run(bench)).toMatch(/Answered +100 of 100 in/);
    await run(logs);
    expect(JSON.parse(await run(traffic)).total.requests).toBeGreaterThan(100);
  }, 180_000);

  it("docs/batching.md: limits that a deployment takes", async () => {
    const [block = ""] = await blocksOf("docs/batching.md");
    await writeFile(path.join(directory, "limits.yaml"), `name: tuned\nmodel: digits\nversion: 1\n${block}`);
    expect(await run("skerry apply -f limits.yaml")).toContain("tuned");
    expect(await run("skerry deployments get tuned -o json")).toContain('"maxBatch": 32');
  });

  it("docs/streams.md: files are read through a model, and results written", async () => {
    const page = "docs/streams.md";
    const [file = "", , reader = ""] = await blocksOf(page, ["yaml"]);
    const [join = "", apply = "", status = "", heard = ""] = await blocksOf(page, ["sh"]);
    const [inbox, outbox] = [path.join(directory, "inbox"), path.join(directory, "outbox")];
    const local = (text: string) =>
      text.replaceAll("/tmp/skerry-inbox", inbox).replaceAll("/tmp/skerry-outbox", outbox);
    await writeFile(path.join(directory, "streams.yaml"), local(file));
    await writeFile(path.join(directory, "reader.yaml"), reader);
    const token =
      /skj1\.\S+/.exec(await run("skerry token create --print-join --label line=7 --name press-7"))?.[0] ?? "";
    await writeFile(path.join(directory, "press-7.token"), token);
    const joined = start(join);
    try {
      await until("the node is ready", () => joined.printed().includes("ready"), PATIENCE_MS);
      await run(local(apply));
      const answer = await until(
        "the result is written",
        async () => {
          const printed = await run(status);
          return /reader\/scans +running +1 +1 +0 +0 +0 +0/.test(printed) && printed;
        },
        PATIENCE_MS,
      );
      expect(answer).toContain("DELIVERED");
      await until(
        "the control plane hears of it",
        async () => {
          const printed = await run(heard);
          return printed.includes("reader/scans") && printed.includes("press-7");
        },
        PATIENCE_MS,
      );
      expect(await run(`cat ${outbox}/*.ndjson`)).toContain('"model_name":"digits"');
      const [listen = "", look = ""] = await blocksOf(page, ["bash"]);
      await run(local(listen));
      await until(
        "all windows are decided",
        async () => / 200 +200 +0 +0 +0 +0/.test(await run(local(look).split("\n")[0] ?? "")),
        PATIENCE_MS,
      );
      const printed = await run(`cat ${outbox}/machine.windows.*.ndjson`);
      const results = printed.split("\n").filter((line) => line.startsWith("{"));
      const notSound = results.flatMap((line) => windowOf(line)).toSorted();
      const wrong = JSON.parse(await readFile(path.join(directory, "wrong.json"), "utf8")) as Record<string, string>;
      expect([results.length, notSound]).toEqual([200, Object.keys(wrong).toSorted()]);
      expect(await run(local(look))).toContain('"item":"press-00004');
    } finally {
      joined.interrupt();
      await joined.ended;
    }
    await run("skerry deployments rm machine && skerry nodes rm press-7");
  }, 240_000);

  it("docs/pipelines.md: a digit from a picture, by the command, by curl and by its stages", async () => {
    const [publish = "", raw = "", stages = ""] = await blocksOf("docs/pipelines.md", ["sh"]);
    expect(await run(publish)).toMatch(/decision[^]*"?7"?/);
    await run(raw);
    expect(await readFile(path.join(directory, "answer.bin"), "latin1")).toContain('"skerry_decision_rule":"argmax"');
    const prepared = await run(stages);
    expect(prepared).toContain("probabilities");
    expect(prepared).not.toContain("decision");
  }, 180_000);

  it("docs/pipelines.md: a species for each row of a table", async () => {
    const [block = ""] = await blocksOf("docs/pipelines.md", ["bash"]);
    await run(block);
    const text = await readFile(path.join(directory, "flowers.json"), "utf8");
    const { outputs } = JSON.parse(text) as { outputs: { name: string; data: string[] }[] };
    const table = await readFile(path.join(ROOT, "examples/tabular/flowers.csv"), "utf8");
    const right = table
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(",").at(-1));
    const decided = outputs.find(({ name }) => name === "decision")?.data ?? [];
    expect(decided).toHaveLength(30);
    expect(decided.filter((label, row) => label !== right[row] && label !== "unsure")).toEqual([]);
    expect(decided.filter((label) => label === "unsure").length).toBeLessThan(6);
  }, 180_000);

  it("README.md: your own model in three commands", async () => {
    const [block = ""] = await blocksOf("README.md", ["sh"]);
    const { outputs } = JSON.parse((await run(block)).split("\n").findLast((line) => line.startsWith("{")) ?? "{}");
    const [sum = Number.NaN] = outputs[0].data;
    expect(outputs).toEqual([{ name: "variable", shape: [1, 1], datatype: "FP32", data: [sum] }]);
    expect(sum).toBeCloseTo(100 + ROW_SUM, 4);
    await run("skerry deployments rm diabetes --wait && skerry models ls");
  }, 180_000);

  it("docs/getting-started.md: from a file to a second version, another node and away again", async () => {
    const page = "docs/getting-started.md";
    const [, look = "", push = "", deploy = "", ask = "", second = "", cloud = "", join = "", stop = ""] =
      await blocksOf(page, ["sh"]);
    const [yaml = "", cloudYaml = ""] = await blocksOf(page, ["yaml"]);
    await writeFile(path.join(directory, "diabetes.yaml"), yaml);
    await writeFile(path.join(directory, "diabetes-cloud.yaml"), cloudYaml);
    expect(await run(look)).toContain("digits:1");
    expect(await run(push)).toContain("is ready");
    expect(await run(deploy.replace("plan -f diabetes.yaml", "plan -f diabetes.yaml || [ $? = 3 ]"))).toContain(
      "deployment diabetes is ready",
    );
    expect(await run(ask)).toContain('"variable"');
    await run(second);
    const burst = await run(cloud);
    for (const expected of ["variable", "local"]) expect(burst).toContain(expected);
    expect(await run(join)).toContain("skj1.");
    await run(stop);
  }, 180_000);

  it("docs/rollouts.md: a second version in waves, and back", async () => {
    const [yaml = ""] = await blocksOf("docs/rollouts.md", ["yaml"]);
    const [block = ""] = await blocksOf("docs/rollouts.md", ["sh"]);
    await writeFile(path.join(directory, "canary-digits.yaml"), yaml);
    await writeFile(path.join(directory, "canary-digits-2.yaml"), yaml.replace("version: 1", "version: 2"));
    await run("skerry apply -f canary-digits.yaml --wait");
    const printed = await run(block);
    expect(printed).toMatch(/Phase +promoted/);
    expect(printed).toMatch(/1 +digits:1 → 2 +canary +promoted +3\/3 +skerry/);
    expect(await run("skerry rollout status canary-digits -w")).toMatch(/Versions +digits:2 → 1/);
    await run("skerry deployments rm canary-digits --wait");
  }, 180_000);

  it("docs/rollouts.md: a deployment whose next version needs approval, and begins by day", async () => {
    const [, yaml = ""] = await blocksOf("docs/rollouts.md", ["yaml"]);
    await writeFile(path.join(directory, "careful-digits.yaml"), yaml);
    await run("skerry apply -f careful-digits.yaml --wait");
    const shown = await run("skerry deployments get careful-digits -o yaml");
    expect(shown).toMatch(/approval:\s+- start\s+- promote/);
    expect(shown).toContain("timezone: Europe/Berlin");
    await run("skerry deployments rm careful-digits --wait");
  }, 180_000);

  it("docs/rollouts.md: a deployment whose next version gets copies first", async () => {
    const [, , yaml = ""] = await blocksOf("docs/rollouts.md", ["yaml"]);
    await writeFile(path.join(directory, "shadow-digits.yaml"), yaml);
    await run("skerry apply -f shadow-digits.yaml --wait");
    expect(await run("skerry deployments get shadow-digits -o yaml")).toContain("strategy: shadow");
    await run("skerry deployments rm shadow-digits --wait");
  }, 180_000);

  it("docs/large-models.md: from a file to a streaming answer", async () => {
    const [block = ""] = await blocksOf("docs/large-models.md", ["sh"]);
    await writeTinyGguf(path.join(directory, "model.gguf"));
    const printed = await run(block);
    expect(printed).toContain("It writes text: Tiny alphabet, llama, 632 K parameters");
    expect(printed).toContain("data: [DONE]");
  }, 180_000);

  it("docs/large-models.md: a large model behind a small one", async () => {
    const [, , block = ""] = await blocksOf("docs/large-models.md", ["sh"]);
    await writeTinyGguf(path.join(directory, "large.gguf"), { contextTokens: 1_024 });
    const printed = await run(block);
    expect(printed).toContain("writer-large answers when the mean log-probability of the first 8 tokens is below -1.5");
    expect(printed).toContain("it is ready on 0 edge and 1 cloud nodes");
    expect(printed).toMatch(/Skerry-Model-Version: writer-large:1\r\nSkerry-Route: .*reason=cascade.*rule=header/);
    expect(await run("skerry deployments get writer")).toContain("writer-large answers");
  }, 180_000);

  it("docs/explanations.md: one answer and its explanations, routed and at a node", async () => {
    const [block = ""] = await blocksOf("docs/explanations.md", ["sh"]);
    const printed = await run(block);
    for (const expected of [
      "decided   7",
      "from      image by occlusion",
      "ran on",
      "digits:1 → ",
      "occlusion,integrated-gradients",
    ])
      expect(printed).toContain(expected);
    const [picture, routed, local] = await Promise.all(
      ["seven.png", "routed.json", "local.json"].map((file) => readFile(path.join(directory, "pictures", file))),
    );
    expect(picture?.subarray(1, 4).toString()).toBe("PNG");
    // The same bits on an edge node, in the cloud, and wherever the router sent it.
    const map = (body: Buffer | undefined): unknown => JSON.parse(String(body)).outputs[1];
    const cloud = await run("skerry infer digits --explain --node cloud-a -o json -f examples/digits/seven.json");
    expect(map(routed)).toEqual(map(local));
    expect(JSON.parse(cloud.slice(cloud.indexOf("{"), cloud.lastIndexOf("}") + 1)).response.outputs[1]).toEqual(
      map(local),
    );
  }, 180_000);

  it("docs/cascades.md: a small model of tensors with a large one behind it", async () => {
    const [block = ""] = await blocksOf("docs/cascades.md", ["sh"]);
    const printed = await run(block);
    expect(printed).toContain("digits answers when the confidence of its answer is below 0.9");
    expect(printed).toMatch(/of 1 request were answered by digits/);
    await run("skerry deployments rm digits-small --wait");
  }, 180_000);

  it("docs/models.md: a signed version", async () => {
    const [, block = ""] = await blocksOf("docs/models.md", ["sh"]);
    expect(await run(block)).toContain("by the key ");
  });

  it("docs/models.md: an upload by curl", async () => {
    const [block = ""] = await blocksOf("docs/models.md", ["sh"]);
    await writeFile(path.join(directory, "model.onnx"), largeModel(4, 1));
    expect(await run(block)).toContain('"state":"checking"');
    await until("it is ready", async () => (await run("skerry models inspect by-curl:1")).includes("ready"));
  }, 180_000);
});
