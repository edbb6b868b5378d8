import { describe, expect, it } from "@jest/globals";
import { samplesOf } from "../../../../../control-plane/app/rollouts/version-samples.ts";
import { digestOf } from "../../../../../shared/base/digest.ts";
import { decodeRequest } from "../../../../../shared/inference/request.ts";
import { aVersion } from "../../../../support/fleet/fleet-builder.ts";
import { floats, npy, npz } from "../../../cli/support/npz.ts";

const inputs = [{ name: "x", datatype: "FP32", shape: [-1, 2] }];
const outputs = [{ name: "y", datatype: "FP32", shape: [-1, 1] }];
const digits = aVersion("digits", 2, { inputs, outputs });

/** The samples of a version whose bundle has these files. */
function read(files: Readonly<Record<string, Buffer>>, version = digits) {
  const sha256Of = (bytes: Buffer): string => digestOf(bytes).slice("sha256:".length);
  const listed = Object.entries(files).map(([name, bytes]) => {
    const sha256 = sha256Of(bytes);
    return { name, size: bytes.length, sha256, chunks: [[1_000, sha256]] };
  });
  const manifest = {
    v: 1,
    model: "digits",
    version: "2",
    chunker: "gear-64k-256k-1m",
    files: listed,
    inputs,
    outputs,
    irVersion: 10,
    opsets: { "": 21 },
    limits: { memMiB: 64, maxBatch: 8, timeoutMs: 1_000 },
  };
  return samplesOf(version, {
    catalog: { manifest: async () => JSON.stringify(manifest) },
    artifacts: {
      async *stream(sha256) {
        yield Object.values(files).find((bytes) => sha256Of(bytes) === sha256) ?? Buffer.alloc(0);
      },
    },
  });
}

async function rowsOf(samples: Buffer, of = inputs): Promise<readonly unknown[]> {
  const found = await read({ "model.onnx": Buffer.from("graph"), "samples.npz": samples }, { ...digits, inputs: of });
  if (typeof found === "string") throw new Error(found);
  return found.map(({ body, headerLength }) =>
    decodeRequest(body, headerLength, { inputs: of, outputs }).inputs.map(({ shape, data }) => [shape, [...data]]),
  );
}

describe("samples of a version as requests", () => {
  const three = floats([3, 2], [1, 2, 3, 4, 5, 6]);

  it("have one row each", async () => {
    expect(await rowsOf(npz({ x: three, y: floats([3, 1], [0, 0, 0]) }))).toEqual([
      [
        [
          [1, 2],
          [1, 2],
        ],
      ],
      [
        [
          [1, 2],
          [3, 4],
        ],
      ],
      [
        [
          [1, 2],
          [5, 6],
        ],
      ],
    ]);
  });

  it("have as many rows as the model takes where that is fixed", async () => {
    const fixed = [{ name: "x", datatype: "FP32", shape: [2, 2] }];
    expect(await rowsOf(npz({ x: three }), fixed)).toEqual([
      [
        [
          [2, 2],
          [1, 2, 3, 4],
        ],
      ],
    ]);
  });

  it("are a hundred at most", async () => {
    const many = floats(
      [150, 2],
      Array.from({ length: 300 }, (_, at) => at),
    );
    expect(await rowsOf(npz({ x: many }, { isCompressed: true }))).toHaveLength(100);
  });

  it.each([
    ["no file", {}, "digits:2 has no samples (samples.npz)"],
    ["no archive", { "samples.npz": Buffer.from("no archive") }, /cannot be read as samples: it is no ZIP archive/],
    ["no array for an input", { "samples.npz": npz({ a: three, b: three }) }, /no array for input "x"/],
    [
      "more arrays than memory is given",
      {
        "samples.npz": npz(
          {
            x: floats(
              [2_000_000, 1],
              Array.from({ length: 2_000_000 }, () => 0),
            ),
          },
          { isCompressed: true },
        ),
      },
      /cannot be read as samples/,
    ],
    [
      "a header that promises more texts than there are",
      { "samples.npz": npz({ x: npy("<U1", [1_000_000_000], Buffer.alloc(8)) }) },
      /it is cut off/,
    ],
  ])("are a sentence where there is %s", async (_, files, sentence) => {
    const found = await read({ "model.onnx": Buffer.from("graph"), ...files });
    expect(typeof found).toBe("string");
    expect(found).toMatch(sentence);
  });
});
