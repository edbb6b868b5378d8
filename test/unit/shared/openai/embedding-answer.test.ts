import { describe, expect, it } from "@jest/globals";
import { answerBytesAtMost, embeddingAnswer } from "../../../../shared/openai/embedding-answer.ts";

const EMBEDDINGS = [Float32Array.of(0.1, -1.5e-7, 0.333333343), Float32Array.of(1, 0, -0.25)];
const parsed = (format: "float" | "base64") =>
  JSON.parse(new TextDecoder().decode(embeddingAnswer(EMBEDDINGS, { model: 'a"b', format, promptTokens: 7 }))) as {
    data: { index: number; embedding: number[] | string }[];
  };

describe("embeddingAnswer", () => {
  it("has each embedding under its number, the model as it was named, and the tokens", () => {
    expect(parsed("float")).toMatchObject({
      object: "list",
      model: 'a"b',
      data: [
        { object: "embedding", index: 0 },
        { object: "embedding", index: 1, embedding: [1, 0, -0.25] },
      ],
      usage: { prompt_tokens: 7, total_tokens: 7 },
    });
  });

  it("gives the same floats again, whichever way they are written", () => {
    const { data: floats } = parsed("float");
    expect(Float32Array.from(floats[0]?.embedding as number[])).toEqual(EMBEDDINGS[0]);
    const bytes = Buffer.from(parsed("base64").data[0]?.embedding as string, "base64");
    expect([0, 4, 8].map((at) => bytes.readFloatLE(at))).toEqual([...(EMBEDDINGS[0] ?? [])]);
  });

  it.each(["float", "base64"] as const)("is never longer than what was expected, as %s", (format) => {
    const long = Array.from({ length: 3 }, () => new Float32Array(1_000).fill(-1.17549435e-38));
    const kind = { model: "m", format } as const;
    const { byteLength } = embeddingAnswer(long, { ...kind, promptTokens: 4_294_967_295 });
    expect(byteLength).toBeLessThanOrEqual(answerBytesAtMost(3, 1_000, kind));
  });
});
