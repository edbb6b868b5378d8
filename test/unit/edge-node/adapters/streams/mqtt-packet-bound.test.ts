import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { PacketBound } from "../../../../../edge-node/adapters/streams/mqtt/packet-bound.ts";

const PUBLISH = 0x32;
const SUBACK = 0x90;

interface Packet {
  readonly first: number;
  readonly body: Buffer;
}

/** As MQTT writes a length: seven bits a byte, the lowest first. */
function lengthBytes(length: number): number[] {
  const [low, rest] = [length % 128, Math.floor(length / 128)];
  return rest === 0 ? [low] : [low + 128, ...lengthBytes(rest)];
}
const bytesOf = ({ first, body }: Packet): Buffer =>
  Buffer.concat([Buffer.from([first, ...lengthBytes(body.length)]), body]);
const packet = (first: number, length: number): Packet => ({ first, body: Buffer.alloc(length, length % 251) });

/** What goes on, and the error that ended it. */
async function through(
  chunks: readonly Buffer[],
  { maxBytes = 100, cutsMessages = true }: { readonly maxBytes?: number; readonly cutsMessages?: boolean } = {},
): Promise<{ readonly passed: Buffer; readonly error: string | undefined }> {
  const bound = new PacketBound({ maxBytes, cutsMessages });
  const passed: Buffer[] = [];
  bound.on("data", (chunk: Buffer) => passed.push(chunk));
  const error = await new Promise<string | undefined>((resolve) => {
    bound.on("error", ({ message }) => resolve(message));
    bound.on("end", () => resolve(undefined));
    for (const chunk of chunks) bound.write(chunk);
    bound.end();
  });
  return { passed: Buffer.concat(passed), error };
}

function cutUp(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, n = 0; at < bytes.length; n += 1) {
    const size = sizes[n % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

describe("the bound of MQTT packets", () => {
  it("passes packets on as they are, however they are cut up", async () => {
    const packets = fc.array(fc.record({ first: fc.integer({ min: 16, max: 255 }), length: fc.nat(300) }), {
      minLength: 1,
      maxLength: 8,
    });
    const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(packets, sizes, async (all, cuts) => {
        const bytes = Buffer.concat(all.map(({ first, length }) => bytesOf(packet(first, length))));
        expect(await through(cutUp(bytes, cuts), { maxBytes: 300 })).toEqual({ passed: bytes, error: undefined });
      }),
    );
  });

  it("cuts a message that is too long, and passes the next packet on whole", async () => {
    const next = packet(SUBACK, 3);
    for (const size of [1, 7, 1_000]) {
      const sent = Buffer.concat([bytesOf(packet(PUBLISH, 20_000)), bytesOf(next)]);
      const { passed, error } = await through(cutUp(sent, [size]));
      const cut = { first: PUBLISH, body: packet(PUBLISH, 20_000).body.subarray(0, 100) };
      expect({ passed, error }).toEqual({ passed: Buffer.concat([bytesOf(cut), bytesOf(next)]), error: undefined });
    }
  });

  it.each([
    ["another packet that is too long", { cutsMessages: true }, SUBACK, /a packet of 268435455 bytes, of at most 100/],
    ["a message, of a broker that knows the bound", { cutsMessages: false }, PUBLISH, /a packet of 268435455 bytes/],
  ] as const)("refuses %s by what it announces, before it has come", async (_what, how, first, why) => {
    const { passed, error } = await through([Buffer.from([first, 0xff, 0xff, 0xff, 0x7f])], how);
    expect(error).toMatch(why);
    expect(passed).toHaveLength(0);
  });

  it("refuses a length of more than four bytes", async () => {
    const { error } = await through([Buffer.from([PUBLISH, 0xff, 0xff, 0xff, 0xff])]);
    expect(error).toMatch(/length has more than four bytes/);
  });
});
