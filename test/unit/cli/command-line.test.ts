import { describe, expect, it } from "@jest/globals";
import { runCli } from "./support/run-cli.ts";

describe("the command line", () => {
  it("shows what there is when nothing is asked", async () => {
    const { exitCode, stdout } = await runCli([]);
    expect(exitCode).toBe(0);
    for (const name of ["dev", "join", "models", "apply", "nodes", "explain", "events", "completion"])
      expect(stdout).toContain(`\n  ${name} `);
  });

  it("shows arguments, options, global options and examples of a command", async () => {
    const { exitCode, stdout } = await runCli(["models", "push", "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("Usage: skerry models push [options] <path>");
    expect(stdout).toContain("-o, --output <format>");
    expect(stdout).toContain("Examples:\n  skerry models push digits.onnx");
  });

  it.each([
    [["nods"], "Did you mean nodes?"],
    [["nodes", "lss"], "Did you mean ls?"],
    [["nodes", "ls", "--sellector", "x"], "Did you mean --selector?"],
    [["nodes", "get"], "missing required argument 'node'"],
    [["nodes", "ls", "surplus"], "too many arguments"],
    [["nodes", "ls", "-o", "xml"], "Allowed choices are table, wide, json, yaml, name"],
    [["nodes", "ls", "--timeout", "soon"], "Give a time such as"],
    [["nodes", "ls", "--limit", "0"], "Give a whole number from 1 up."],
    [["apply"], "required option '-f, --file <file>' not specified"],
    [["models", "push", "x", "--model", "m", "--label", "novalue"], "Give it as name=value."],
    [["keys", "create", "x", "--role", "king"], "Allowed choices are viewer, operator, admin, application"],
    [["completion", "tcsh"], "Allowed choices are bash, zsh, fish"],
    [["nodes"], "Usage: skerry nodes"],
    [["infer", "a:b:c", "--data", "{}"], '"a:b:c" does not name a model'],
    [["infer", "digits", "--data", "{}", "--file", "x"], "exclude one another"],
    [["models", "push", "x", "--model", "digits:3"], "the version's number is assigned"],
    [["dev", "--node-ports", "1"], "1 ports for 3 nodes"],
    [["join", "--name", "Bad Name"], "is not a name for a node"],
    [["token", "create", "--replaces", "n"], "--replaces needs --why"],
    [["token", "create", "--why", "x"], "--why is for --replaces"],
    [["join", "skj1.a.b.c.d", "--token-file", "x", "--name", "n"], "exclude one another"],
    [["join", "nonsense", "--name", "n", "--dir", "/nonexistent/x"], "this is not a join token"],
    [["nodes", "ls", "--server", "ftp://x"], "is not the address of a server"],
  ])("refuses %j with exit code 64", async (args, message) => {
    const { exitCode, stdout, stderr } = await runCli(args);
    expect(stderr).toContain(message);
    expect([exitCode, stdout]).toEqual([64, ""]);
  });

  it("reads a join token from standard input, and warns of one among the arguments", async () => {
    const fromStdin = await runCli(["join", "-", "--name", "n", "--dir", "/nonexistent/x"], { stdin: "nonsense\n" });
    expect(fromStdin.stderr).toContain("this is not a join token");
    expect(fromStdin.stderr).not.toContain("warning:");
    const fromArguments = await runCli(["join", "nonsense", "--name", "n", "--dir", "/nonexistent/x"]);
    expect(fromArguments.stderr).toContain("other users of this machine can read the token");
  });

  it("takes global options before and after the command", async () => {
    const before = await runCli(["-o", "json", "version", "--server", "http://127.0.0.1:2999"]);
    const after = await runCli(["version", "--server", "http://127.0.0.1:2999", "-o", "json"]);
    expect(JSON.parse(before.stdout)).toEqual(JSON.parse(after.stdout));
    expect(JSON.parse(after.stdout)).toMatchObject({ server: null, address: "http://127.0.0.1:2999" });
  });

  it("names the missing file and is an error, not a usage error", async () => {
    const { exitCode, stderr } = await runCli(["apply", "-f", "/nonexistent/x.yaml"]);
    expect([exitCode, stderr]).toEqual([
      1,
      "error: cannot read /nonexistent/x.yaml\n  why      there is no such file\n",
    ]);
  });

  it("says that nothing listens, and what starts a server", async () => {
    const { exitCode, stderr } = await runCli(["nodes", "ls", "--server", "http://127.0.0.1:2999"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("nothing listens at http://127.0.0.1:2999");
    expect(stderr).toContain("npm start");
  });

  it.each(["bash", "zsh", "fish"])("completes every command in %s", async (name) => {
    const { exitCode, stdout } = await runCli(["completion", name]);
    expect(exitCode).toBe(0);
    for (const word of [
      "deployments",
      "uncordon",
      "--print-join",
      "--why-not".replace("--", name === "fish" ? "" : "--"),
    ]) {
      expect(stdout).toContain(name === "fish" ? word.replace("--", "") : word);
    }
  });
});
