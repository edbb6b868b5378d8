import { describe, expect, it } from "@jest/globals";
import { parseEngine } from "../../../../shared/text/engine-setting.ts";

const plain = { api: "openai", url: "http://127.0.0.1:8000", keyFile: undefined, slots: undefined, metrics: undefined };

describe("the setting of an engine", () => {
  it.each([
    ["openai=http://127.0.0.1:8000", plain],
    ["openai=http://127.0.0.1:8000/", plain],
    ["openai=http://127.0.0.1:8000/v1", plain],
    ["openai=http://127.0.0.1:8000/v1/", plain],
    ["oip=https://gpu.example/serve/v2", { ...plain, api: "oip", url: "https://gpu.example/serve" }],
    [
      "oip=http://127.0.0.1:8000,metrics=http://127.0.0.1:8002/metrics",
      { ...plain, api: "oip", metrics: "http://127.0.0.1:8002/metrics" },
    ],
    [
      "openai=http://127.0.0.1:8000,key-file=/run/engine.key,slots=32",
      { ...plain, keyFile: "/run/engine.key", slots: 32 },
    ],
  ])("reads %s", (text, setting) => {
    expect(parseEngine(text)).toEqual(setting);
  });

  it.each([
    ["", /must begin with openai= or oip=/],
    ["http://127.0.0.1:8000", /must begin with openai= or oip=/],
    ["vllm=http://127.0.0.1:8000", /must begin with openai= or oip=/],
    ["openai=127.0.0.1:8000", /no http or https URL/],
    ["openai=ftp://127.0.0.1", /no http or https URL/],
    ["openai=http://me:hunter2@127.0.0.1", /key-file=FILE/],
    ["openai=http://127.0.0.1/?key=hunter2", /no query/],
    ["openai=http://127.0.0.1,slots=0", /slots=NUMBER/],
    ["openai=http://127.0.0.1,slots=9999", /slots=NUMBER/],
    ["openai=http://127.0.0.1,slots=2,slots=3", /each once/],
    ["openai=http://127.0.0.1,key=hunter2", /key-file=FILE/],
    ["openai=http://127.0.0.1,key-file=", /key-file=FILE/],
    ["oip=http://127.0.0.1,metrics=8002", /metrics=URL/],
    ["oip=http://127.0.0.1,metrics=http://me:hunter2@127.0.0.1", /metrics=URL/],
  ])("refuses %s", (text, fault) => {
    const found = parseEngine(text);
    expect(found).toEqual({ fault: expect.stringMatching(fault) });
    expect(JSON.stringify(found)).not.toContain("hunter2");
  });
});
