import { describe, expect, it } from "@jest/globals";
import { EmbedHost } from "../../../../../edge-node/model-host/embed/embed-host.ts";
import type { Embed } from "../../../../../edge-node/model-host/embed/encoder.ts";
import { ANSWER_CODES, type HostEvent, REPLY } from "../../../../../edge-node/model-host/link/link-frame.ts";
import { RunSharing } from "../../../../../edge-node/model-host/onnx/batching/run-sharing.ts";
import type { EncoderModel } from "../../../../../shared/text/encoder-model.ts";

const encoder: EncoderModel = {
  architecture: "bert",
  tokenizer: "tokenizer.json",
  inputs: ["attention_mask"],
  output: "last_hidden_state",
  pooling: "mean",
  normalizes: false,
  dimensions: 2,
  maxTokens: 16,
  vocabulary: 256,
  longestTokenBytes: 4,
  lowercases: false,
};

/** A host whose tokens are characters, what it ran, and what it says. */
function hostOf(embed: Embed) {
  const runs: number[] = [];
  const events: HostEvent[] = [];
  const answers = new Map<number, unknown>();
  const bodies = new Map<number, string>();
  const host = new EmbedHost({
    model: "tiny",
    version: "1",
    encoder,
    tokenizer: { tokensOf: (text) => Array.from(text, (character) => character.charCodeAt(0)) },
    embed: (texts) => {
      runs.push(texts.length);
      return embed(texts);
    },
    sharing: new RunSharing({
      isAllowed: true,
      onStopped: (reason) => events.push({ event: "sharing-stopped", reason }),
    }),
    link: {
      sendEvent: (event) => void events.push(event),
      answer: (requestId, code) => void answers.set(requestId, ANSWER_CODES[code]),
      reply: ({ kind, requestId }, body = new Uint8Array(0)) => {
        if (kind === REPLY.PIECE)
          bodies.set(requestId, (bodies.get(requestId) ?? "") + Buffer.from(body).toString("utf8"));
        if (kind !== REPLY.END) return;
        const { data } = JSON.parse(bodies.get(requestId) ?? "") as { data: { embedding: number[] }[] };
        answers.set(
          requestId,
          data.map(({ embedding }) => embedding),
        );
      },
    },
  });
  const ask = (requestId: number, input: readonly string[]): void =>
    host.ask(requestId, Buffer.from(JSON.stringify({ openai: "embedding", request: { model: "tiny", input } })), 32);
  return { host, ask, runs, events, answers };
}

describe("EmbedHost", () => {
  it("answers as alone, and shares no further run, once a shared run has changed an embedding", async () => {
    const { host, ask, runs, events, answers } = hostOf(async (texts) =>
      texts.map(({ length }) => Float32Array.of(length, texts.length)),
    );
    ask(1, ["aaa", "bbb"]);
    ask(2, ["cccc"]);
    await host.idle();
    expect(answers.get(1)).toEqual([
      [3, 1],
      [3, 1],
    ]);
    expect(answers.get(2)).toEqual([[4, 1]]);
    expect(events).toContainEqual({
      event: "sharing-stopped",
      reason: "a text in a shared run got another embedding than alone",
    });
    expect(runs[0]).toBe(3);
    runs.length = 0;
    ask(3, ["aaa", "bbb"]);
    await host.idle();
    expect(runs).toEqual([1, 1]);
  });

  it("runs the texts of a shared run that fails alone, and refuses only the request whose text fails", async () => {
    const { host, ask, answers } = hostOf(async (texts) => {
      if (texts.flat().includes("x".charCodeAt(0))) throw new Error("it broke");
      return texts.map(({ length }) => Float32Array.of(length, 0));
    });
    ask(1, ["aaa", "bbb"]);
    ask(2, ["xxx"]);
    await host.idle();
    expect([answers.get(1), answers.get(2)]).toEqual([
      [
        [3, 0],
        [3, 0],
      ],
      "RUN_FAILED",
    ]);
  });
});
