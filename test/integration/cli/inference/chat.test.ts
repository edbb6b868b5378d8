import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli } from "../../../unit/cli/support/run-cli.ts";
import { FakeApi, type Asked } from "../support/fake-api.ts";

let api: FakeApi;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  api = new FakeApi();
  env = { SKERRY_SERVER: await api.start(), SKERRY_API_KEY: "sk_test" };
});
afterEach(() => api.stop());

const chunk = (content: string): string => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;

/** Answers each question with the next of these bodies. */
function answers(...bodies: readonly string[]): void {
  let count = 0;
  api.on("POST /v1/chat/completions", (_: Asked, response: ServerResponse) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" }).end(bodies[count]);
    count += 1;
  });
}

const asked = (): readonly unknown[] => api.asked.map(({ body }) => JSON.parse(body.toString("utf8")) as unknown);

describe("chat", () => {
  it("prints the answer to one message as it comes", async () => {
    answers(`${chunk("Pa")}${chunk("ris")}data: [DONE]\n\n`);
    const { stdout, exitCode } = await runCli(
      ["chat", "writer:champion", "capital of France?", "--temperature", "0", "--max-tokens", "9", "--system", "short"],
      { env },
    );
    expect([stdout, exitCode]).toEqual(["Paris\n", 0]);
    expect(asked()).toEqual([
      {
        model: "writer:champion",
        messages: [
          { role: "system", content: "short" },
          { role: "user", content: "capital of France?" },
        ],
        stream: true,
        max_tokens: 9,
        temperature: 0,
      },
    ]);
  });

  it("says which node answered and why that one, where it is asked to", async () => {
    api.on("POST /v1/chat/completions", (_: Asked, response: ServerResponse) => {
      const route = 'placement="p-1", reason=affinity, eta=12, candidates=4, attempt=1';
      response.writeHead(200, { "Skerry-Node": "edge-a", "Skerry-Route": route });
      response.end(`${chunk("b")}data: [DONE]\n\n`);
    });
    const { stdout, stderr } = await runCli(["chat", "writer", "a", "--route"], { env });
    expect([stdout, stderr]).toEqual([
      "b\n",
      "edge-a, affinity of 4: it has the session's prompts in its cache, 12 ms expected\n",
    ]);
  });

  it("sends every line with what was said before", async () => {
    answers(`${chunk("one")}data: [DONE]\n\n`, `${chunk("two")}data: [DONE]\n\n`);
    const { stdout } = await runCli(["chat", "writer"], { env, stdin: "a\n\nb\n" });
    expect(stdout).toBe("one\ntwo\n");
    expect(asked()).toMatchObject([
      { messages: [{ role: "user", content: "a" }] },
      {
        messages: [
          { role: "user", content: "a" },
          { role: "assistant", content: "one" },
          { role: "user", content: "b" },
        ],
      },
    ]);
  });

  it.each([
    ["ends with an error", `${chunk("x")}data: {"error":{"message":"the node went away"}}\n\n`, /the node went away/],
    ["just ends", chunk("x"), /the connection ended before the answer did/],
  ])("fails when the answer %s", async (_, body, words) => {
    answers(body);
    const { stderr, exitCode } = await runCli(["chat", "writer", "hi"], { env });
    expect([stderr, exitCode]).toEqual([expect.stringMatching(words), 1]);
  });

  it("says what the server refused", async () => {
    api.on("POST /v1/chat/completions", (_: Asked, response: ServerResponse) => {
      response
        .writeHead(404, { "Content-Type": "application/json", "Skerry-Error": "NOT_FOUND" })
        .end(JSON.stringify({ error: { message: "the model `nobody` does not exist" } }));
    });
    const { stderr } = await runCli(["chat", "nobody", "hi"], { env });
    expect(stderr).toMatch(/the model `nobody` does not exist \(NOT_FOUND\)/);
  });
});
