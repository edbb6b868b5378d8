import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { openDecoders, type PictureDecoders } from "../../../../../edge-node/model-host/pipeline/picture-decoders.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { STEP_KINDS } from "../../../../../shared/pipeline/registry.ts";
import type { Tools } from "../../../../../shared/pipeline/step.ts";
import type { Picture } from "../../../../../shared/pipeline/values.ts";

const file = readFileSync(path.join(import.meta.dirname, "../../../../../examples/digits/seven.jpg"));
const EDGE = 112;
/** Where the compressed pixels begin: behind the header of the scan. */
const SCAN = file.indexOf(Buffer.from([0xff, 0xda])) + 14;
const TOOLS = { parseCsv: unused, realFft: unused, openTokenizer: unused };
function unused(): never {
  throw new Error("pictures need no other library");
}

let decoders: PictureDecoders;
beforeAll(async () => {
  decoders = await openDecoders();
});

function decoded(params: object, bytes: Uint8Array = file): Picture {
  const step = STEP_KINDS.get("decode-image")?.with(params);
  const tools: Tools = { ...TOOLS, ...decoders };
  const value = step?.build({ kind: "bytes" }, tools)({ kind: "bytes", elements: [bytes] });
  const [picture] = value?.kind === "pictures" ? value.pictures : [];
  if (picture === undefined) throw new Error("there is no picture");
  return picture;
}

const digest = ({ data }: Picture): string => createHash("sha256").update(data).digest("hex").slice(0, 16);
const damaged = (from: Uint8Array, seed: number): Uint8Array => {
  const random = seededRandom(seed);
  const bytes = Uint8Array.from(from);
  for (let time = 0; time < 8; time += 1)
    bytes[2 + Math.floor(random.next() * (from.length - 2))] = Math.floor(random.next() * 256);
  return bytes;
};

describe("a JPEG file", () => {
  it.each([
    ["RGB", undefined, EDGE, "7d3302d5559def4a"],
    ["RGB", [28, 28], 28, "6bb49a1a199af6b1"],
    ["RGB", [30, 30], 56, "ea1bb9a9be8e774d"],
    ["RGB", [14, 14], 14, "28aaff3967f59ec3"],
    ["L", undefined, EDGE, "07e1d81358c9906d"],
    ["L", [28, 28], 28, "302d8fe2cfd41976"],
    ["L", [56, 50], 56, "16373c587e916119"],
    ["L", [14, 14], 14, "0d6e661429b0a577"],
  ] as const)("has as %s with the draft %p the %d² pixels that Pillow 13.0.0 makes", (mode, draft, edge, pixels) => {
    const [width, height] = draft ?? [];
    const picture = decoded({ mode, ...(draft !== undefined && { draft: { width, height } }) });
    expect([picture.width, picture.height, digest(picture)]).toEqual([edge, edge, pixels]);
  });

  it("shows nothing of the picture before it where its own pixels are missing", async () => {
    const cut = file.subarray(0, SCAN);
    const fresh = await openDecoders();
    const form = { width: EDGE, height: EDGE, channels: 3, of: { width: EDGE, height: EDGE } } as const;
    const alone = digest(fresh.decodeJpeg(cut, form));
    decoders.decodeJpeg(file, form);
    expect(digest(decoders.decodeJpeg(cut, form))).toBe(alone);
  });

  it("is refused or read where it is damaged, whatever part is, and the next one is read as before", () => {
    let refused = 0;
    for (let seed = 1; seed <= 500; seed += 1) {
      try {
        const { width, height, channels, data } = decoded({ mode: "RGB" }, damaged(file, seed));
        expect(data).toHaveLength(width * height * channels);
      } catch (error) {
        refused += 1;
        expect(error).toMatchObject({ name: "StepFault" });
      }
    }
    expect(refused).toBeGreaterThan(50);
    expect(digest(decoded({ mode: "RGB" }))).toBe("7d3302d5559def4a");
  });

  it("is refused when the decoder finds other edges than were checked", () => {
    const form = { width: 50, height: 50, channels: 3, of: { width: 50, height: 50 } } as const;
    expect(() => decoders.decodeJpeg(file, form)).toThrow("its header cannot be read");
  });

  it("has its edges as they are where a draft would ask for more, or is of a PNG file", () => {
    expect(decoded({ draft: { width: 200, height: 10 } })).toMatchObject({ width: EDGE, height: EDGE });
    const png = readFileSync(path.join(import.meta.dirname, "../../../../../examples/digits/seven.png"));
    expect(decoded({ mode: "L", draft: { width: 7, height: 7 } }, png)).toMatchObject({ width: 28, channels: 1 });
  });
});
