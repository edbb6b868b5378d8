import { own, type OwnedBytes } from "../../../../../shared/bytes/owned-bytes.ts";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { StreamedResponses } from "../../../../../edge-node/model-host/link/streamed-responses.ts";
import { ANSWER_CODES, PIECE_BYTES, REPLY } from "../../../../../edge-node/model-host/link/link-frame.ts";
import { INITIAL_CREDIT_BYTES, MAX_ANSWER_BYTES } from "../../../../../shared/protocol/limits.ts";

const timesOf = (requestId: number) =>
  ({ code: 0, batchSize: 1, requestId, headerLength: 7, computeUs: 1, decodeUs: 1, encodeUs: 1 }) as const;

interface Sent {
  readonly kind: number;
  readonly code: number;
  readonly requestId: number;
  readonly body: Buffer;
}

function held(): { readonly answers: StreamedResponses; readonly sent: Sent[] } {
  const sent: Sent[] = [];
  const answers = new StreamedResponses(({ kind, code, requestId }, body) =>
    sent.push({ kind, code, requestId, body: Buffer.from(body) }),
  );
  return { answers, sent };
}

const aBody = (bytes: number, seed: number): OwnedBytes => own(Buffer.alloc(bytes, `answer ${seed} of a model `));

describe("StreamedResponses", () => {
  it("sends no byte that was not granted, and every answer whole and in order once all of it was", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 2 * INITIAL_CREDIT_BYTES }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: INITIAL_CREDIT_BYTES })), { maxLength: 12 }),
        (sizes, grants) => {
          const { answers, sent } = held();
          const credit = sizes.map(() => INITIAL_CREDIT_BYTES);
          const bytesOf = (requestId: number): Buffer =>
            Buffer.concat(sent.filter((one) => one.requestId === requestId).map(({ body }) => body));
          for (const [i, size] of sizes.entries()) {
            answers.hold(timesOf(i), aBody(size, i));
            answers.sendGranted(i);
          }
          for (const [i, bytes] of grants) {
            answers.grant(i, bytes);
            if (i < credit.length) credit[i] = (credit[i] ?? 0) + bytes;
            for (const [id, granted] of credit.entries()) expect(bytesOf(id).byteLength).toBeLessThanOrEqual(granted);
          }
          for (const [i, size] of sizes.entries()) {
            answers.grant(i, size);
            expect(bytesOf(i).equals(aBody(size, i))).toBe(true);
            expect(sent.filter(({ requestId, kind }) => requestId === i && kind === REPLY.END)).toHaveLength(1);
          }
          expect(sent.every(({ body }) => body.byteLength <= PIECE_BYTES)).toBe(true);
          expect(answers.hasRoom(MAX_ANSWER_BYTES)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("ends one that is taken back, which makes room, and means nothing for one that is out", () => {
    const { answers, sent } = held();
    answers.hold(timesOf(1), aBody(2 * INITIAL_CREDIT_BYTES, 1), Buffer.from("usage"));
    answers.sendGranted(1);
    expect(answers.hasRoom(MAX_ANSWER_BYTES)).toBe(false);
    expect([answers.cancel(1), answers.cancel(1), answers.hasRoom(MAX_ANSWER_BYTES)]).toEqual([true, false, true]);
    const { kind, code = 0, body } = sent.at(-1) ?? {};
    expect([kind, ANSWER_CODES[code], String(body)]).toEqual([REPLY.END, "CANCELLED", "usage"]);
    const count = sent.length;
    answers.grant(1, 1_000);
    expect(sent).toHaveLength(count);
  });
});
