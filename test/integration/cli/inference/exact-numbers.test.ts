import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli, type CliResult } from "../../../unit/cli/support/run-cli.ts";
import { type Asked, FakeApi } from "../support/fake-api.ts";

const INT64 = ["9007199254740993", "-9223372036854775808"];
const UINT64 = ["18446744073709551615", "0"];
const FP64 = ["-0", "1e-7", "0.30000000000000004"];
const ANSWER = `{"model_name":"m","model_version":"1","outputs":[
  {"name":"a","datatype":"INT64","shape":[2],"data":[${INT64.join()}]},
  {"name":"b","datatype":"UINT64","shape":[2],"data":[${UINT64.join()}]},
  {"name":"c","datatype":"FP64","shape":[3],"data":[${FP64.join()}]}]}`;
const EVERY_NUMBER = [...INT64, ...UINT64, ...FP64];

describe("numbers that a double does not hold", () => {
  let api: FakeApi;
  let folder: string;
  let env: NodeJS.ProcessEnv;
  const infer = (...args: readonly string[]): Promise<CliResult> => runCli(["infer", "m", ...args], { env });

  beforeEach(async () => {
    api = new FakeApi();
    env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
    folder = await mkdtemp(join(tmpdir(), "skerry-numbers-"));
    api.on("POST /v2/models/m/infer", (_asked: Asked, response: ServerResponse) => {
      response.setHeader("Content-Type", "application/json").end(ANSWER);
    });
  });
  afterEach(async () => {
    await api.stop();
    await rm(folder, { recursive: true });
  });

  it("keep every digit with -o json, which is the API's answer but for its spaces", async () => {
    const { stdout } = await infer("--data", "{}", "-o", "json");
    expect(stdout.replaceAll(/\s/g, "")).toBe(ANSWER.replaceAll(/\s/g, ""));
  });

  it.each(["yaml", "wide", "table"])("keep every digit with -o %s", async (format) => {
    const { stdout } = await infer("--data", "{}", "-o", format);
    const shown = stdout.split(/[\s-]* (?=-?\d)|\n/).map((text) => text.trim());
    const numbers = format === "yaml" ? EVERY_NUMBER : [...INT64, ...UINT64];
    for (const number of numbers) expect(shown).toContain(number);
  });

  it("reach the server as they stand in --data, --file and --input", async () => {
    const data = `[${EVERY_NUMBER.join()}]`;
    const request = `{"inputs":[{"name":"x","shape":[7],"datatype":"INT64","data":${data}}]}`;
    const requestFile = join(folder, "request.json");
    const inputFile = join(folder, "x.json");
    await writeFile(requestFile, request);
    await writeFile(inputFile, data);
    const inputs = [{ name: "x", datatype: "INT64", shape: [-1] }];
    api.on("GET /v2/models/m", {
      name: "m",
      versions: ["1"],
      platform: "onnx_onnxv1",
      inputs,
      outputs: [],
      properties: {},
    });
    for (const args of [
      ["--data", request],
      ["--file", requestFile],
      ["--input", `x=${inputFile}`],
    ]) {
      await infer(...args);
      expect(api.asked.at(-1)?.body.toString()).toContain(`"data":${data}`);
    }
  });

  it("do not come from a file that is not UTF-8: its text would be another one", async () => {
    const file = join(folder, "request.json");
    await writeFile(file, Buffer.from([0x22, 0xff, 0x22]));
    expect(await infer("--file", file)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("is not UTF-8") });
    expect(api.asked).toEqual([]);
  });
});
