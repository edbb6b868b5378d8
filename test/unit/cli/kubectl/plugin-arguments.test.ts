import { describe, expect, it } from "@jest/globals";
import { parsePluginArguments } from "../../../../cli/kubectl/plugin-arguments.ts";

describe("arguments of kubectl skerry", () => {
  it("are those of skerry, in the namespace skerry", () => {
    const rest = ["nodes", "ls", "-o", "json"];
    expect(parsePluginArguments(rest, {})).toEqual({
      namespace: "skerry",
      kubeContext: undefined,
      rest,
      namesServer: false,
      hasTls: false,
    });
  });

  it("say when a certificate authority is named", () => {
    expect(parsePluginArguments(["nodes", "ls", "--ca", "ca.crt"], {}).hasTls).toBe(true);
  });

  it.each([[["-n", "edge", "--kube-context", "prod", "top"]], [["--namespace=edge", "--kube-context=prod", "top"]]])(
    "take the namespace and the context of the cluster in front: %j",
    (args) => {
      expect(parsePluginArguments(args, {})).toMatchObject({ namespace: "edge", kubeContext: "prod", rest: ["top"] });
    },
  );

  it("leave options behind the command to it", () => {
    expect(parsePluginArguments(["infer", "digits", "-n", "x"], {}).rest).toEqual(["infer", "digits", "-n", "x"]);
  });

  it.each([
    [["nodes", "ls", "--server", "http://x"], {}],
    [["nodes", "ls", "--context=prod"], {}],
    [["nodes", "ls"], { SKERRY_SERVER: "http://x" }],
  ])("say when another server is named: %j %j", (args, env) => {
    expect(parsePluginArguments(args, env).namesServer).toBe(true);
  });

  it("refuse an option without its value", () => {
    expect(() => parsePluginArguments(["-n"], {})).toThrow("-n needs a value");
  });
});
