import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type CliResult, runCli } from "../../../unit/cli/support/run-cli.ts";
import { openHttpApi, type OpenHttpApi } from "../../http/support/open-http-api.ts";

const SPEC = `name: reader
model: digits
version: 1
placement: { edge: { every: true } }
streams:
  - { name: scans, source: inbox, sink: outbox, expirySeconds: 3600 }
  - { name: pushes, source: push, sink: outbox, whenFull: refuse }
`;

describe("streams on the command line, at a real API", () => {
  let api: OpenHttpApi;
  let env: NodeJS.ProcessEnv;
  const cli = (...args: readonly string[]): Promise<CliResult> => runCli(args, { env, stdin: SPEC });
  const asJson = async (...args: readonly string[]): Promise<unknown> =>
    JSON.parse((await cli(...args, "-o", "json")).stdout);

  beforeEach(async () => {
    api = await openHttpApi();
    env = { SKERRY_SERVER: `http://127.0.0.1:${api.port}`, SKERRY_API_KEY: api.keyOf.operator };
    await cli("apply", "-f", "-");
  });
  afterEach(() => api.close());

  it("are listed as their deployments declare them", async () => {
    const { stdout } = await cli("streams", "ls", "-o", "name");
    expect(stdout.trim().split("\n").toSorted()).toEqual(["reader/pushes", "reader/scans"]);
  });

  it("are described one by one, with what was declared", async () => {
    const { exitCode, stdout } = await cli("streams", "get", "reader/scans");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/Source\s+inbox/);
    expect(stdout).toMatch(/Expires\s+after 3600 s/);
    expect(stdout).toContain("No node has reported it.");
    expect(await asJson("streams", "get", "reader/pushes")).toMatchObject({ declared: { whenFull: "refuse" } });
  });

  it("are taken out of their deployment one by one, and nothing else of it changes", async () => {
    const before = await asJson("deployments", "get", "reader");
    const { exitCode, stderr } = await cli("streams", "rm", "reader/scans");
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining("the stream reader/scans is taken away")]);
    const after = await asJson("deployments", "get", "reader");
    const { spec } = before as { spec: { streams: readonly { name: string }[] } };
    expect(after).toMatchObject({ spec: { ...spec, streams: spec.streams.filter(({ name }) => name === "pushes") } });
    expect((await cli("streams", "rm", "reader/pushes")).exitCode).toBe(0);
    expect((await cli("streams", "ls")).stdout + (await cli("streams", "ls")).stderr).toContain(
      "No deployment declares a stream",
    );
  });

  it("that are not there have a name that says how to find them", async () => {
    const { exitCode, stderr } = await cli("streams", "rm", "reader");
    expect([exitCode, stderr]).toEqual([5, expect.stringContaining("name it DEPLOYMENT/STREAM")]);
  });

  it("are left alone by a key that may only read", async () => {
    env["SKERRY_API_KEY"] = api.keyOf.viewer;
    expect((await cli("streams", "get", "reader/scans")).exitCode).toBe(0);
    expect((await cli("streams", "rm", "reader/scans")).exitCode).not.toBe(0);
    expect((await cli("streams", "ls", "-o", "name")).stdout).toContain("reader/scans");
  });
});
