import { describe, expect, it } from "@jest/globals";
import { normalizeServer, resolveTarget, type TargetSources } from "../../../../cli/config/resolve-target.ts";

const config = {
  current: "prod",
  contexts: {
    prod: { server: "https://skerry.example", apiKey: "sk_prod" },
    lab: { server: "http://10.0.0.2:7070", apiKey: "sk_lab" },
  },
};
const dev = { directory: "/x/.skerry", server: "http://127.0.0.1:7070", apiKey: "sk_dev" };
const nothing: TargetSources = {
  server: undefined,
  context: undefined,
  env: {},
  config: { current: null, contexts: {} },
  dev: null,
};
const target = (sources: Partial<TargetSources>): string => {
  const { server, apiKey } = resolveTarget({ ...nothing, ...sources });
  return `${server} ${apiKey ?? "no key"}`;
};

describe("whom a command speaks to", () => {
  it("is --server before everything else", () => {
    const env = { SKERRY_SERVER: "http://env:1" };
    expect(target({ server: "http://10.0.0.2:7070/", context: "prod", env, config, dev })).toBe(
      "http://10.0.0.2:7070 sk_lab",
    );
  });

  it("is --context before the environment", () => {
    expect(target({ context: "lab", env: { SKERRY_SERVER: "http://env:1" }, config })).toBe(
      "http://10.0.0.2:7070 sk_lab",
    );
  });

  it("is the environment before the current context", () => {
    const env = { SKERRY_SERVER: "http://env:1", SKERRY_API_KEY: "sk_env" };
    expect(target({ env, config })).toBe("http://env:1 sk_env");
  });

  it("is the current context before a running dev", () => {
    expect(target({ config, dev })).toBe("https://skerry.example sk_prod");
  });

  it("is the running dev when nothing else was said, and --context dev always", () => {
    expect(target({ dev })).toBe("http://127.0.0.1:7070 sk_dev");
    expect(target({ context: "dev", config, dev })).toBe("http://127.0.0.1:7070 sk_dev");
  });

  it("is port 7070 of this machine in the end", () => {
    expect(target({})).toBe("http://127.0.0.1:7070 no key");
  });

  it("never gets a key that was kept for another address", () => {
    expect(target({ server: "https://evil.example", config, dev })).toBe("https://evil.example no key");
    expect(target({ env: { SKERRY_SERVER: "http://skerry.example" }, config })).toBe("http://skerry.example no key");
  });

  it("must be known when it is named", () => {
    expect(() => target({ context: "staging", config })).toThrow('there is no context named "staging"');
    expect(() => target({ context: "dev" })).toThrow("no `skerry dev` runs");
    expect(() => target({ context: "constructor", config })).toThrow("there is no context");
  });
});

describe("an address", () => {
  it.each([
    ["127.0.0.1:7070", "http://127.0.0.1:7070"],
    ["https://host/", "https://host"],
    ["https://host/skerry/", "https://host/skerry"],
    ["localhost:80", "http://localhost"],
  ])("%s means %s", (text, server) => expect(normalizeServer(text)).toBe(server));

  it.each(["", "ftp://host", "http://", "http://a b"])("%j is refused", (text) =>
    expect(() => normalizeServer(text)).toThrow("is not the address of a server"),
  );
});
