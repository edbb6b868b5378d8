import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { composeNode } from "../../../../edge-node/compose.ts";
import { readConfig } from "../../../../edge-node/config.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { seededRandom } from "../../../../shared/base/random.ts";
import { silentLogger } from "../../../support/silent-logger.ts";

describe("a node beyond its own machine", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "skerry-address-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  /** Puts a node together that has no identity: without a complaint about its keys it says that it has to join. */
  const compose = (settings: Record<string, string>): Promise<unknown> =>
    composeNode(readConfig({ SKERRY_STATE_DIR: path.join(directory, "state"), ...settings }), {
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      rejoin: () => undefined,
      signal: new AbortController().signal,
    });

  it.each(["0.0.0.0", "::", "10.0.0.7", "dock-7.example"])("does not start at %s with no kind of key", async (host) => {
    await expect(compose({ SKERRY_LOCAL_HOST: host, SKERRY_API_KEYS_OFFLINE_HOURS: "0" })).rejects.toMatchObject({
      code: "INVALID_REQUEST",
      message: expect.stringContaining("SKERRY_LOCAL_KEYS_FILE"),
    });
  });

  it("asks for API keys beyond loopback without a file of keys", async () => {
    await expect(compose({ SKERRY_LOCAL_HOST: "0.0.0.0" })).rejects.toThrow(/has to join first/);
  });

  it.each(["127.0.0.1", "127.0.0.2", "localhost", "::1"])("needs no keys at %s", async (host) => {
    await expect(compose({ SKERRY_LOCAL_HOST: host })).rejects.toThrow(/has to join first/);
  });

  it("goes on with a file of keys, and not with a damaged one", async () => {
    const file = path.join(directory, "keys");
    await writeFile(file, `${"0".repeat(64)}  # the till\n`);
    await expect(compose({ SKERRY_LOCAL_HOST: "0.0.0.0", SKERRY_LOCAL_KEYS_FILE: file })).rejects.toThrow(
      /has to join/,
    );
    await writeFile(file, "my-secret\n");
    await expect(compose({ SKERRY_LOCAL_HOST: "0.0.0.0", SKERRY_LOCAL_KEYS_FILE: file })).rejects.toThrow(/line 1/);
  });

  it("reports the configured address, without a slash at the end", () => {
    expect(readConfig({ SKERRY_LOCAL_URL: "http://dock-7.example:7090/" }).localUrl).toBe("http://dock-7.example:7090");
    expect(() => readConfig({ SKERRY_LOCAL_URL: "ftp://dock-7" })).toThrow(/SKERRY_LOCAL_URL/);
  });
});
