import { describe, expect, it } from "@jest/globals";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { askText } from "../../../../../edge-node/adapters/http/openai.ts";
import type { LocalNode } from "../../../../../edge-node/ports/serving.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import { ByteBudget } from "../../../../../shared/inference/http/byte-budget.ts";
import { InferenceStatistics } from "../../../../../shared/inference/statistics.ts";
import { MAX_TEXT_BODY_BYTES } from "../../../../../shared/protocol/limits.ts";
import { JSON_BODY } from "../../../../../shared/protocol/frames/inference-frame.ts";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const aNode = (over: object = {}): LocalNode => ({ placements: () => [], ...over }) as unknown as LocalNode;

function askNode(node: LocalNode, headers: IncomingMessage["headers"], body?: Uint8Array, maxBodyBytes?: number) {
  const request = new IncomingMessage(new Socket());
  request.headers = headers;
  if (body !== undefined) request.push(body);
  request.push(null);
  return askText({ kind: "ask", api: "chat" }, request, {
    response: new ServerResponse(request),
    node,
    bodies: new ByteBudget(2 * MAX_TEXT_BODY_BYTES),
    statistics: new InferenceStatistics(),
    clock: new TestClock(),
    logger: silentLogger,
    ...(maxBodyBytes !== undefined && { maxBodyBytes }),
  });
}

/** A request that says how long its body is and then ends without it. */
const ask = (contentLength: number, maxBodyBytes?: number) =>
  askNode(aNode(), { "content-length": String(contentLength) }, undefined, maxBodyBytes);

const placement = {
  placementId: "p-1",
  model: "m",
  version: "1",
  aliases: [],
  deployment: "m",
  want: "serve",
  state: "ready",
  asks: "text",
};
const question = Buffer.from(JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] }));
const lengthOfQuestion = { "content-length": String(question.byteLength) };

/** What an answer says of its route. */
async function routeOf(headers: IncomingMessage["headers"]): Promise<string | undefined> {
  const figures = { nodeInFlight: 0, placementInFlight: 0, meanUs: 1, p95Us: 1, slots: 1, queueUs: 0, computeUs: 0 };
  const body = own(new TextEncoder().encode("{}"));
  const infer = async () => ({ status: 200, code: undefined, headerLength: JSON_BODY, body, ...figures });
  const node = aNode({ placements: () => [placement], infer });
  const { reply } = await askNode(node, { ...lengthOfQuestion, ...headers }, question);
  return reply.headers[reply.headers.indexOf("Skerry-Route") + 1];
}

/** Whose the question is that a request with these headers becomes. */
async function tenantOf(headers: IncomingMessage["headers"]): Promise<unknown> {
  const asked: { readonly tenant: unknown }[] = [];
  const node = aNode({
    placements: () => [placement],
    infer: async ({ body }: { readonly body: Uint8Array }) => {
      asked.push(JSON.parse(Buffer.from(body).toString("utf8")));
      throw new SkerryError("QUEUE_FULL", "64 requests wait");
    },
  });
  const { code } = await askNode(node, { ...lengthOfQuestion, ...headers }, question);
  expect(code).toBe("QUEUE_FULL");
  return asked[0]?.tenant;
}

describe("askText", () => {
  it("takes as long a body as the control plane, though other requests may be longer", async () => {
    expect((await ask(MAX_TEXT_BODY_BYTES + 1)).code).toBe("TOO_LARGE");
    expect((await ask(MAX_TEXT_BODY_BYTES)).code).not.toBe("TOO_LARGE");
  });

  it("takes each key for a tenant of its own, without a word of the key, and all who have none for one", async () => {
    const [one, again, other] = [
      await tenantOf({ authorization: "Bearer secret-of-one" }),
      await tenantOf({ authorization: "Bearer secret-of-one" }),
      await tenantOf({ authorization: "Bearer secret-of-other" }),
    ];
    expect(one).toEqual(expect.stringMatching(/^[\w-]{22}$/));
    expect(one).not.toContain("secret");
    expect([again === one, other === one]).toEqual([true, false]);
    expect([await tenantOf({}), await tenantOf({})]).toEqual(["local", "local"]);
  });

  it("says that it asks no large model, to who asks for that", async () => {
    expect(await routeOf({ "skerry-cascade": "large" })).toMatch(/reason=local, .*, rule=header, closed=local$/);
    expect(await routeOf({ "skerry-cascade": "small" })).not.toMatch(/closed/);
  });

  it("keeps to a setting that allows less", async () => {
    expect((await ask(1_025, 1_024)).code).toBe("TOO_LARGE");
  });
});
