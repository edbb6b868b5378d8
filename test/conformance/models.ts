import type { ElementType } from "../support/models/onnx/onnx-builder.ts";
import { identityModel, reciprocalModel, reshapeModel } from "../support/models/onnx/onnx-models.ts";
import { loopModel, unknownOperatorModel } from "../support/models/onnx/hostile-models.ts";
import { statefulModel, sumAndDifferenceModel } from "../support/models/onnx/row-models.ts";

/** A model that the cases call by name. A server under test has to hold those that its cases need. */
export interface ConformanceModel {
  readonly name: string;
  /** What it computes, with its signature: for whoever serves it in another way than from our file. */
  readonly meaning: string;
  readonly file: Uint8Array;
  /** Only Skerry's own cases need it. */
  readonly isSkerrys?: true;
}

const IDENTITIES = [
  "BOOL",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "FP16",
  "FP32",
  "FP64",
  "BYTES",
] as const satisfies readonly ElementType[];

const identity = (datatype: ElementType): ConformanceModel => ({
  name: `conf-${datatype.toLowerCase()}`,
  meaning: `y ${datatype} [-1, 2] = x ${datatype} [-1, 2]`,
  file: identityModel(datatype),
});

export const MODELS: readonly ConformanceModel[] = [
  ...IDENTITIES.map(identity),
  {
    name: "conf-any",
    meaning: "y FP32 [-1, -1, -1] = x FP32 [-1, -1, -1]: every dimension is variable",
    file: identityModel("FP32", ["a", "b", "c"]),
  },
  { name: "conf-text", meaning: "y BYTES [-1] = x BYTES [-1]", file: identityModel("BYTES", ["n"]) },
  {
    name: "conf-pair",
    meaning: "sum FP32 [-1] = a + b, difference FP32 [-1] = a - b, of a and b FP32 [-1]",
    file: sumAndDifferenceModel(),
  },
  {
    name: "conf-state",
    meaning:
      "next_state FP32 [1, 4] = state FP32 [1, 4] * gain FP32 [] (a scalar); next_step INT64 [1] = step INT64 [1] + 1",
    file: statefulModel(),
  },
  { name: "conf-inverse", meaning: "y FP32 [-1] = 1 / x FP32 [-1]: infinity for 0", file: reciprocalModel() },
  {
    name: "conf-square",
    meaning: "y FP32 [2, 2] = x FP32 [-1] reshaped: fails at run unless x has four elements",
    file: reshapeModel(),
  },
  {
    name: "conf-slow",
    meaning: "last INT64 [] = turns INT64 [], after 1,000 turns of an empty loop for each 1",
    file: loopModel({ forever: false }),
    isSkerrys: true,
  },
  {
    name: "conf-hang",
    meaning: "the same, deployed with a limit of four seconds for a run",
    file: loopModel({ forever: false }),
    isSkerrys: true,
  },
  {
    name: "conf-idle",
    meaning: "y FP32 [-1, 2] = x: published, and deployed by nobody",
    file: identityModel("FP32"),
    isSkerrys: true,
  },
  {
    name: "conf-cloud",
    meaning: "y FP32 [-1, 2] = x: ready on a cloud node only",
    file: identityModel("FP32"),
    isSkerrys: true,
  },
  {
    name: "conf-broken",
    meaning: "names an operator that does not exist: it can never be loaded",
    file: unknownOperatorModel(),
    isSkerrys: true,
  },
];
