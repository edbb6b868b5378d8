import { own } from "../../../../shared/bytes/owned-bytes.ts";
import { afterEach, describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { InferenceResponse, InferenceRequest } from "../../../../control-plane/app/inference/inference-request.ts";
import type { HttpApiParts } from "../../../../control-plane/adapters/http/server/http-api.ts";
import { eventually } from "../../../support/eventually.ts";
import { postHead, RawClient } from "../../../support/network/raw-client.ts";
import { settle } from "../../../support/test-clock.ts";
import { answerOf } from "../support/http-call.ts";
import { anAnswer, openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let api: OpenHttpApi;
afterEach(() => api.close());

const PATH = "/v2/models/digits/infer";
const noise = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, at) => (at * 7) % 256));

/** A api whose inferences are kept and answered by `reply`. */
async function recordingDoor(
  reply: (request: InferenceRequest) => Promise<InferenceResponse> | InferenceResponse = () => anAnswer(),
  over: Partial<HttpApiParts> = {},
): Promise<InferenceRequest[]> {
  const asked: InferenceRequest[] = [];
  api = await openHttpApi({
    infer: async (request) => {
      asked.push({ ...request, body: request.body.map((piece) => Uint8Array.from(piece)) });
      return reply(request);
    },
    ...over,
  });
  return asked;
}

const infer = (bytes: Uint8Array, headers: Record<string, string> = {}, path = PATH) =>
  api.call("POST", path, { key: api.keyOf.application, bytes, headers });

describe("inference over HTTP", () => {
  it("hands the body over and the answer back byte for byte", async () => {
    const answer = noise(300_000);
    const asked = await recordingDoor(() => anAnswer({ body: own(Buffer.from(answer)), headerLength: 12 }));
    const body = noise(1_000_000);
    const got = await infer(body, {
      "Content-Type": "application/octet-stream",
      "Inference-Header-Content-Length": "226",
    });
    expect(Buffer.compare(Buffer.concat(asked[0]?.body ?? []), body)).toBe(0);
    expect(asked[0]?.headerLength).toBe(226);
    expect(Buffer.compare(got.bytes, answer)).toBe(0);
    expect(got.headers).toMatchObject({
      "content-type": "application/octet-stream",
      "inference-header-content-length": "12",
    });
  });

  it("says of a request whose path asks for an explanation that it does", async () => {
    const asked = await recordingDoor();
    for (const path of ["/v2/models/digits:explain", "/v2/models/digits/versions/2:explain", PATH])
      expect((await infer(Buffer.from("{}"), {}, path)).status).toBe(200);
    expect(asked.map(({ version, explain = false }) => [version, explain])).toEqual([
      [undefined, true],
      ["2", true],
      [undefined, false],
    ]);
  });

  it.each([1, 3_000, 65_536])("takes bodies of %d bytes however they arrive on one connection", async (length) => {
    const asked = await recordingDoor(({ body }) => anAnswer({ body: own(Buffer.concat(body).subarray(0, 1)) }));
    const client = await RawClient.open(api.port);
    const head = postHead(PATH, { Authorization: `Bearer ${api.keyOf.application}`, "Content-Length": length });
    const bodyOf = (letter: string): string => letter.repeat(length);
    const answers = (): number => client.received.split("HTTP/1.1 200").length - 1;
    await client.send(head + bodyOf("a") + head + bodyOf("b")); // two at once
    await eventually("two answers", () => answers() === 2);
    await client.send(head);
    await client.send(bodyOf("c") + head + bodyOf("d").slice(1)); // a body after its head, and the next cut short
    await eventually("a third answer", () => answers() === 3);
    await client.send("d");
    await eventually("a fourth answer", () => answers() === 4);
    expect(asked.map(({ body }) => Buffer.concat(body).toString())).toEqual(["a", "b", "c", "d"].map(bodyOf));
    client.vanish();
    await client.closed;
  });

  it("routes by URL: with a version, with an alias, with a slash at the end, whatever the query", async () => {
    const asked = await recordingDoor();
    for (const path of [
      PATH,
      `${PATH}/`,
      `${PATH}?x=1`,
      "/v2/models/digits/versions/3/infer",
      "/v2/models/digits/versions/champion/infer",
    ]) {
      expect((await infer(Buffer.from("{}"), {}, path)).status).toBe(200);
    }
    expect(asked.map(({ model, version }) => `${model}:${version ?? "-"}`)).toEqual([
      "digits:-",
      "digits:-",
      "digits:-",
      "digits:3",
      "digits:champion",
    ]);
  });

  it("passes on what the headers ask for", async () => {
    const asked = await recordingDoor();
    await infer(Buffer.from("{}"), {
      "Skerry-Timeout-Ms": "250",
      "Skerry-Site": "harbour",
      "Skerry-Residency": "edge-only",
      "Skerry-Prefer": "node=edge-a",
      "Skerry-Sticky": "user-7",
    });
    expect(asked[0]).toMatchObject({
      timeoutMs: 250,
      site: "harbour",
      residency: "edge-only",
      prefer: { kind: "node", name: "edge-a" },
      sticky: "user-7",
      headerLength: JSON_BODY,
    });
  });

  it("says who answered, why, and where the time went", async () => {
    await recordingDoor();
    const { headers } = await infer(Buffer.from("{}"), { "X-Request-Id": "r-1" });
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "skerry-node": "edge-a",
      "skerry-model-version": "digits:1",
      "skerry-route": 'placement="p-edge-a", reason=only, eta=2, candidates=1, attempt=1',
      "server-timing": "route;dur=0.1, wire;dur=1.23, queue;dur=0, infer;dur=2",
      "x-request-id": "r-1",
    });
    expect(headers["x-powered-by"]).toBeUndefined();
  });

  it("passes refusals on with their code and when to come back", async () => {
    await recordingDoor(() =>
      anAnswer({
        status: 429,
        code: "QUEUE_FULL",
        retryAfterMs: 1_400,
        body: own(Buffer.from('{"error":"busy"}')),
        node: undefined,
      }),
    );
    const answer = await infer(Buffer.from("{}"));
    expect(answer.status).toBe(429);
    expect(answer.headers).toMatchObject({ "skerry-error": "QUEUE_FULL", "retry-after": "2" });
    expect(answer.body).toEqual({ error: "busy" });
  });

  for (const type of ["text/plain;charset=UTF-8", "application/x-www-form-urlencoded", undefined]) {
    it(`reads a body of type ${type} as JSON, as plain clients send it`, async () => {
      const asked = await recordingDoor();
      const answer = await infer(Buffer.from("{}"), type === undefined ? {} : { "Content-Type": type });
      expect([answer.status, asked[0]]).toEqual([200, expect.objectContaining({ headerLength: JSON_BODY })]);
    });
  }

  const refusals: readonly (readonly [string, number, string, Record<string, string>])[] = [
    ["a wrong content type", 415, "UNSUPPORTED_MEDIA_TYPE", { "Content-Type": "image/png" }],
    ["an encoding that is not served", 415, "UNSUPPORTED_MEDIA_TYPE", { "Content-Encoding": "br" }],
    ["a timeout of 0", 400, "INVALID_REQUEST", { "Skerry-Timeout-Ms": "0" }],
    ["a timeout over a minute", 400, "INVALID_REQUEST", { "Skerry-Timeout-Ms": "60001" }],
    ["a preference that is none", 400, "INVALID_REQUEST", { "Skerry-Prefer": "fats" }],
    ["a sticky key over 256 characters", 400, "INVALID_REQUEST", { "Skerry-Sticky": "u".repeat(257) }],
    ["a residency that is none", 400, "INVALID_REQUEST", { "Skerry-Residency": "edge" }],
    ["a header length that is no number", 400, "INVALID_REQUEST", { "Inference-Header-Content-Length": "-1" }],
    ["a header longer than the body", 400, "INVALID_REQUEST", { "Inference-Header-Content-Length": "3" }],
  ];
  for (const [what, status, code, headers] of refusals) {
    it(`refuses ${what} before anybody is asked`, async () => {
      const asked = await recordingDoor();
      const answer = await infer(Buffer.from("{}"), headers);
      expect([answer.status, answer.headers["skerry-error"]]).toEqual([status, code]);
      expect(Object.keys(answer.body)).toEqual(["error"]);
      expect(asked).toEqual([]);
    });
  }

  it("refuses a body over 64 MiB by its length, without reading it", async () => {
    const asked = await recordingDoor();
    const request = api.open("POST", PATH, {
      key: api.keyOf.operator,
      headers: { "Content-Length": String(64 * 1_048_576 + 1) },
    });
    const answer = answerOf(request);
    request.write(noise(10));
    expect([(await answer).status, (await answer).headers["skerry-error"]]).toEqual([413, "TOO_LARGE"]);
    request.destroy();
    expect(asked).toEqual([]);
  });

  it("takes exactly what the setting says, and not one byte more without a stated length", async () => {
    const asked = await recordingDoor(() => anAnswer(), { limits: { inferenceBodyBytes: 8 * 1_048_576 } });
    expect((await infer(noise(8 * 1_048_576))).status).toBe(200);
    expect(Buffer.concat(asked[0]?.body ?? []).length).toBe(8 * 1_048_576);
    const request = api.open("POST", PATH, { key: api.keyOf.operator, headers: { "Transfer-Encoding": "chunked" } });
    const answer = answerOf(request);
    request.end(noise(8 * 1_048_576 + 1));
    expect((await answer).status).toBe(413);
  });

  it("cancels the request when the caller goes away", async () => {
    const reached = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    await recordingDoor(
      ({ cancellation }) =>
        new Promise((resolve) => {
          reached.resolve();
          cancellation.onCancel(() => {
            gone.resolve();
            resolve(anAnswer({ status: 499, code: "CANCELLED" }));
          });
        }),
    );
    const request = api.open("POST", PATH, { key: api.keyOf.operator });
    request.on("error", () => undefined);
    request.end("{}");
    await reached.promise;
    request.destroy();
    await expect(gone.promise).resolves.toBeUndefined();
  });

  it("gives up a body that does not arrive within 30 s", async () => {
    await recordingDoor();
    const request = api.open("POST", PATH, { key: api.keyOf.operator, headers: { "Content-Length": "10" } });
    const arrived = once(api.api.http.server, "request");
    const answer = answerOf(request);
    request.write("{");
    await arrived;
    await settle();
    await api.clock.advance(30_000);
    expect([(await answer).status, (await answer).headers["skerry-error"]]).toEqual([408, "REQUEST_TIMEOUT"]);
    request.destroy();
  });

  it("bounds the requests that one key has under way", async () => {
    const entered = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const asked = await recordingDoor(
      async () => {
        entered.resolve();
        await release.promise;
        return anAnswer();
      },
      { limits: { inferencesPerKey: 1 } },
    );
    const first = infer(Buffer.from("{}"));
    await entered.promise;
    const second = await infer(Buffer.from("{}"));
    expect([second.status, second.headers["skerry-error"]]).toEqual([429, "RATE_LIMITED"]);
    release.resolve();
    expect((await first).status).toBe(200);
    expect((await infer(Buffer.from("{}"))).status).toBe(200);
    expect(asked.length).toBe(2);
  });

  it("refuses a viewer with 403, and a request without a key with 401", async () => {
    await recordingDoor();
    const viewer = await api.call("POST", PATH, { key: api.keyOf.viewer, bytes: Buffer.from("{}") });
    expect([viewer.status, viewer.headers["skerry-error"]]).toEqual([403, "FORBIDDEN"]);
    const stranger = await api.call("POST", PATH, { bytes: Buffer.from("{}") });
    expect([stranger.status, stranger.headers["www-authenticate"]]).toEqual([401, "Bearer"]);
  });

  it("goes on while PostgreSQL is away", async () => {
    await recordingDoor();
    await infer(Buffer.from("{}"));
    api.stores.isAway = true;
    await api.clock.advance(600_000);
    expect((await infer(Buffer.from("{}"))).status).toBe(200);
    const unknown = await api.call("POST", PATH, { key: api.keyOf.admin, bytes: Buffer.from("{}") });
    expect(unknown.headers["skerry-error"]).toBe("DATABASE_UNAVAILABLE");
  });

  it("counts answers by model and code", async () => {
    await recordingDoor(({ version }) => {
      if (version === "9") throw new SkerryError("NODE_LOST", "edge-a went away");
      return anAnswer();
    });
    await infer(Buffer.from("{}"));
    await infer(Buffer.from("{}"), {}, "/v2/models/digits/versions/9/infer");
    await infer(Buffer.from("{}"), {}, "/v2/models/made-up/infer");
    const { bytes } = await api.call("GET", "/metrics");
    const lines = bytes
      .toString()
      .split("\n")
      .filter((line) => line.startsWith("skerry_inferences_total"));
    expect(lines).toEqual([
      'skerry_inferences_total{model="digits",version="1",code="OK"} 1',
      'skerry_inferences_total{model="none",version="none",code="NODE_LOST"} 1',
      'skerry_inferences_total{model="none",version="none",code="NOT_FOUND"} 1',
    ]);
  });
});
