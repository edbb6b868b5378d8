/**
 * What placements keep of streams (`Skerry-Stream`), as nodes hand it over through the control plane and as it lies on a node's disk.
 * The control plane sorts it by key and never looks into it.
 */

/** Streams that a node keeps, and their bytes together: they fit one message of the inference channel's body. */
export const MAX_STREAMS_OF_NODE = 10_000;
export const MAX_STREAM_BYTES_OF_NODE = 4 * 1_048_576;
/** A node whose placement ends waits so long at most until the control plane has taken its streams, in ms. */
export const HAND_OVER_MS = 5_000;

/** The name of a stream beside its placement. */
export const STREAM_KEY = /^[\x21-\x7e]{1,256}$/;

/** Of a request: the stream that it belongs to. `alone`: no other node may know it, so without memory it begins. */
export interface StreamOfRequest {
  readonly key: string;
  readonly alone?: true;
}

/**
 * A request about streams, in place of an inference; its answer is 200.
 *
 * take     the stream `key` as a bundle of one, or of none. It is the caller's from now on, but for a placement that ends
 * all      all streams of a placement that ends, when its last request has ended; they stay there
 * put      a bundle is the body: streams that are not here, or not surely the newest, are kept from now on
 * release  the placement that ends need not wait longer: its streams are elsewhere
 * keep     the placement that ends need not wait longer: nobody takes its streams
 */
export const STREAM_OPERATIONS = ["take", "all", "put", "release", "keep"] as const;
export interface StreamOperation {
  readonly op: (typeof STREAM_OPERATIONS)[number];
  readonly key?: string;
  /** Of `take`: for a cloud node, so nothing that is for the edge alone. */
  readonly forCloud?: true;
}

export interface KeptStream {
  readonly placementId: string;
  /** `flowers:3`: another version knows nothing of it. */
  readonly of: string;
  readonly key: string;
  /** One of its requests was for the edge alone: so is what is kept of it. */
  readonly edgeOnly: boolean;
  /** Never empty. */
  readonly bytes: Uint8Array;
}

const HEAD = 11;

/** A bundle: for each stream u16 bytes of its placement's id, u16 of its version, u16 of its key, u32 of what is kept, u8 1 for the edge alone; then these. */
export function encodeStreams(streams: Iterable<KeptStream>): Uint8Array {
  const parts = [...streams].flatMap(({ placementId, of, key, edgeOnly, bytes }) => {
    const texts = [placementId, of, key].map((text) => new TextEncoder().encode(text));
    const head = new Uint8Array(HEAD);
    const view = new DataView(head.buffer);
    for (const [at, text] of texts.entries()) view.setUint16(2 * at, text.byteLength);
    view.setUint32(6, bytes.byteLength);
    view.setUint8(10, edgeOnly ? 1 : 0);
    return [head, ...texts, bytes];
  });
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** The streams of a bundle, their bytes as copies; undefined when it is none. */
export function decodeStreams(bundle: Uint8Array): readonly KeptStream[] | undefined {
  const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.byteLength);
  const streams: KeptStream[] = [];
  for (let at = 0; at < bundle.byteLength;) {
    if (at + HEAD > bundle.byteLength || streams.length >= MAX_STREAMS_OF_NODE) return undefined;
    const lengths = [view.getUint16(at), view.getUint16(at + 2), view.getUint16(at + 4), view.getUint32(at + 6)];
    const edgeOnly = view.getUint8(at + 10) === 1;
    at += HEAD;
    const parts = lengths.map((length) => bundle.slice(at, (at += length)));
    const [placementId, of, key] = parts.slice(0, 3).map((part) => new TextDecoder().decode(part));
    const bytes = parts[3];
    if (at > bundle.byteLength || bytes === undefined || bytes.byteLength === 0) return undefined;
    if (placementId === undefined || of === undefined || key === undefined || !STREAM_KEY.test(key)) return undefined;
    streams.push({ placementId, of, key, edgeOnly, bytes });
  }
  return streams;
}
