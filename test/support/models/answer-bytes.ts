import type { ResponseStream } from "../../../shared/inference/response-stream.ts";

interface Answer<Trailer> {
  readonly body: Uint8Array | ResponseStream<Trailer>;
}

/** The body of an answer that comes in one. */
export function bytesOf<Trailer>({ body }: Answer<Trailer>): Uint8Array {
  if (!(body instanceof Uint8Array)) throw new Error("the answer comes in pieces");
  return body;
}

/** The body of an answer that comes in pieces, in as many as they came. Fails unless all of it came. */
export async function piecesOf<Trailer>({ body }: Answer<Trailer>): Promise<readonly Uint8Array[]> {
  if (body instanceof Uint8Array) throw new Error("the answer comes in one");
  const pieces: Uint8Array[] = [];
  for (let piece = await body.next(); piece !== undefined; piece = await body.next()) {
    pieces.push(Buffer.from(piece));
    body.passed(piece.byteLength);
  }
  const end = await body.ended;
  if (end.kind !== "complete") throw new Error(`the answer ended as ${JSON.stringify(end)}`);
  return pieces;
}
