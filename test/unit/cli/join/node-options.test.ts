import { describe, expect, it } from "@jest/globals";
import { localSettings } from "../../../../cli/join/node-options.ts";
import type { CommandContext } from "../../../../cli/run.ts";

const settings = (engine: readonly string[] | undefined, env: NodeJS.ProcessEnv = {}) => {
  const run = { processEnv: { env, cwd: "/home/ada" } } as unknown as CommandContext;
  return localSettings(run, { kind: "cloud", ...(engine && { engine }) })["SKERRY_ENGINES"];
};

describe("the engines of skerry join", () => {
  it("are passed to the node, with the paths of their keys from the folder of the command", () => {
    expect(
      settings(["openai=http://127.0.0.1:8000,key-file=engine.key", "oip=http://127.0.0.1:8001,key-file=/run/key"]),
    ).toBe("openai=http://127.0.0.1:8000,key-file=/home/ada/engine.key oip=http://127.0.0.1:8001,key-file=/run/key");
  });

  it("are those of the environment where none is named", () => {
    expect(settings(undefined, { SKERRY_ENGINES: "oip=http://127.0.0.1:8001" })).toBe("oip=http://127.0.0.1:8001");
    expect(settings(undefined)).toBeUndefined();
  });

  it("are refused before the node is started", () => {
    expect(() => settings(["vllm=http://127.0.0.1:8000"])).toThrow(/must begin with openai= or oip=/);
  });

  it("are refused with a key file whose path the node would take for two settings", () => {
    expect(() => settings(["openai=http://127.0.0.1:8000,key-file=my key"])).toThrow(
      "--engine 1: the path /home/ada/my key has a space or a comma",
    );
  });

  it("are refused without a password that is in them", () => {
    expect(() => settings(["openai=http://me:hunter2@127.0.0.1"])).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("hunter2") }),
    );
  });
});
