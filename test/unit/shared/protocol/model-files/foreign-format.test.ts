import { describe, expect, it } from "@jest/globals";
import { foreignFormat } from "../../../../../shared/protocol/model-files/foreign-format.ts";
import { onnx } from "../../../control-plane/core/catalog/onnx/onnx-bytes.ts";

const head = (...parts: readonly (string | readonly number[])[]): Uint8Array =>
  Uint8Array.from(
    parts.flatMap((part) => (typeof part === "string" ? Array.from(part, (c) => c.charCodeAt(0)) : part)),
  );
const zip = (name: string): Uint8Array => head("PK\u0003\u0004", Array(22).fill(0), [name.length, 0, 0, 0], name);

describe("the format of a file that is no ONNX", () => {
  it.each<[string, Uint8Array, string]>([
    ["torch.save", zip("archive/data.pkl"), "a PyTorch file"],
    ["torch.export.save", zip("model/archive_format"), "a PyTorch file"],
    ["torch.export.save of 2.15", zip("e/data/weights/weight_0"), "a PyTorch file"],
    ["torch.jit.save", zip("s/data/0"), "a PyTorch file"],
    ["Keras 3", zip("metadata.json"), "a Keras model"],
    ["numpy.savez", zip("arr_0.npy"), "a NumPy archive"],
    ["any ZIP", zip("readme.txt"), "a ZIP archive"],
    ["safetensors", head([0x40, 1, 0, 0, 0, 0, 0, 0], '{"weight":{"dtype":"F32"'), "a safetensors file"],
    ["pickle of scikit-learn", head([0x80, 4, 0x95], "\u008c\u0018sklearn.ensemble._forest"), "a scikit-learn model"],
    ["pickle of LightGBM", head([0x80, 5, 0x95], "lightgbm.sklearn"), "a LightGBM model"],
    [
      "old torch.save",
      head([0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]),
      "a PyTorch file",
    ],
    ["any pickle", head([0x80, 4, 0x95, 0, 0]), "a Python pickle"],
    ["joblib with compression", head([0x78, 0x9c, 1, 2]), "a compressed stream, as joblib.dump writes it"],
    ["Keras 2", head([0x89], "HDF\r\n"), "an HDF5 file"],
    ["TensorFlow Lite", head([0x1c, 0, 0, 0], "TFL3"), "a TensorFlow Lite model"],
    ["CatBoost", head("CBM1"), "a CatBoost model"],
    ["LightGBM", head("tree\nversion=v4"), "a LightGBM model"],
    ["XGBoost", head('{"learner":{"attributes"'), "an XGBoost model"],
    ["Git LFS", head("version https://git-lfs.github.com/spec/v1"), "a Git LFS pointer"],
  ])("is recognised of %s", (_, bytes, is) => {
    const format = foreignFormat(bytes);
    expect(format?.is).toContain(is);
    expect(format?.fix.length).toBeGreaterThan(10);
  });

  it("is not taken from ONNX files, short files and noise", () => {
    for (const bytes of [
      onnx(),
      new Uint8Array(0),
      head([8]),
      head([8, 10, 18, 7], "pytorch"),
      head([1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ])
      expect(foreignFormat(bytes)).toBeUndefined();
  });
});
