import { describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../edge-node/config.ts";

const read = (engines: string | undefined, args: readonly string[] = []) =>
  readConfig(engines === undefined ? {} : { SKERRY_ENGINES: engines }, args).engines;

const A = { api: "openai", url: "http://127.0.0.1:8000" };
const B = { api: "oip", url: "http://127.0.0.1:8001", slots: 8 };

describe("the engines of a node", () => {
  it("are none unless they are named", () => {
    expect([read(undefined), read(""), read("  ")]).toEqual([[], [], []]);
  });

  it("are those of the environment, or of the arguments, which go before it", () => {
    expect(read(`openai=${A.url}  oip=${B.url},slots=8`)).toMatchObject([A, B]);
    const args = ["--engine", `oip=${B.url},slots=8`, "--engine", `openai=${A.url}`];
    expect(read("openai=http://other", args)).toMatchObject([B, A]);
  });

  it("are refused with their place in the list and without their words, which may hold a password", () => {
    expect(() => read(`openai=${A.url} openai=http://me:hunter2@x`)).toThrow(
      /SKERRY_ENGINES: engine 2: a URL with a user/,
    );
    expect(() => read("openai=http://me:hunter2@x")).not.toThrow(/hunter2/);
    expect(() => read(Array.from({ length: 9 }, () => `openai=${A.url}`).join(" "))).toThrow(/at most 8 engines/);
  });
});
