import * as compute from "./compute-rules.ts";
import { elementwise, elementwiseByConstants } from "./elementwise.ts";
import type { Rule } from "./rule.ts";
import * as shape from "./shape-rules.ts";

/** One rule for each of several operators. */
const all = (rule: Rule, ...operators: readonly string[]): [string, Rule][] =>
  operators.map((operator) => [operator, rule]);

const ONNX: readonly [string, Rule][] = [
  ...all(elementwise, "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Erf", "Exp"),
  ...all(elementwise, "Floor", "IsInf", "IsNaN", "Log", "Neg", "Not", "Reciprocal", "Round", "Sigmoid", "Sign", "Sin"),
  ...all(elementwise, "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "Relu", "LeakyRelu", "Elu", "Selu"),
  ...all(
    elementwise,
    "Celu",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Mish",
    "ThresholdedRelu",
    "Identity",
    "Cast",
    "Shrink",
  ),
  ...all(elementwise, "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Mean", "PRelu", "BitShift"),
  ...all(elementwise, "And", "Or", "Xor", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Where"),
  ...all(elementwiseByConstants, "Clip"),
  ...all(compute.keepsShape, "InstanceNormalization", "GroupNormalization", "LRN"),
  ...all(compute.windowed, "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "ConvInteger", "QLinearConv"),
  ...all(compute.globalPool, "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"),
  ...all(compute.softmax, "Softmax", "LogSoftmax", "Hardmax"),
  ...all(compute.normalization, "LayerNormalization", "RMSNormalization"),
  ...all(compute.reduce, "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"),
  ...all(compute.reduce, "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"),
  ...all(compute.argument, "ArgMax", "ArgMin"),
  ...all(compute.alongAxis, "TopK", "LpNormalization"),
  ...all(compute.quantization, "QuantizeLinear", "DequantizeLinear"),
  ...all(compute.withinRow, "DepthToSpace", "SpaceToDepth"),
  ["CumSum", compute.cumSum],
  ["MatMul", compute.matMul],
  ["MatMulInteger", compute.matMul],
  ["Gemm", compute.gemm],
  ["BatchNormalization", compute.batchNormalization],
  ["Dropout", compute.dropout],
  ["Shape", shape.shape],
  ["Flatten", shape.flatten],
  ["Reshape", shape.reshape],
  ["Transpose", shape.transpose],
  ["Concat", shape.concat],
  ["Split", shape.split],
  ["Slice", shape.slice],
  ["Pad", shape.pad],
  ["Squeeze", shape.squeeze],
  ["Unsqueeze", shape.unsqueeze],
  ["Expand", shape.expand],
  ["ConstantOfShape", shape.constantOfShape],
  ["Gather", shape.gather],
];

const ML: readonly [string, Rule][] = [
  ...all(compute.classifier, "TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"),
  ...all(compute.perRow, "TreeEnsembleRegressor", "LinearRegressor", "SVMRegressor", "Scaler", "Normalizer"),
  ...all(compute.perRow, "Imputer", "TfIdfVectorizer"),
  ...all(elementwise, "LabelEncoder", "Binarizer", "CategoryMapper"),
  ["ArrayFeatureExtractor", compute.arrayFeatures],
];

/** ONNX Runtime's own, which its optimiser and its quantisers write. */
const MICROSOFT: readonly [string, Rule][] = [
  ...all(elementwise, "Gelu", "QuickGelu", "FastGelu", "BiasGelu"),
  ...all(compute.quantization, "QuantizeLinear", "DequantizeLinear"),
  ["FusedConv", compute.windowed],
  ["FusedGemm", compute.gemm],
];

/** The allow-list, by domain and operator. What is not here stops the proof. */
export const RULES: ReadonlyMap<string, Rule> = new Map([
  ...ONNX.map(([operator, rule]): [string, Rule] => [`ai.onnx/${operator}`, rule]),
  ...ML.map(([operator, rule]): [string, Rule] => [`ai.onnx.ml/${operator}`, rule]),
  ...MICROSOFT.map(([operator, rule]): [string, Rule] => [`com.microsoft/${operator}`, rule]),
]);
