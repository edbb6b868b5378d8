/** What a model may hold at most: bounds against hostile files, far above real exports. */

export const MAX_FILE_BYTES = 2 * 1024 ** 3;
/** Graphs inside graphs, through the attributes of `If`, `Loop` and `Scan`. Real exports stay below 5. */
export const MAX_GRAPH_DEPTH = 16;
export const MAX_NODES = 100_000;
export const MAX_INITIALIZERS = 100_000;
/** Inputs and outputs of all graphs. Files before IR 4 list every initializer as an input, too. */
export const MAX_VALUES = 120_000;
export const MAX_STRING_BYTES = 1024 ** 2;

/**
 * Protobuf fields that we look at. A boosted forest writes a field for each number of its trees, so 10 million are
 * honest; a 2 GiB file of empty fields has a thousand million, which would take the inspection half a minute.
 */
export const MAX_FIELDS = 50_000_000;
/** Inputs, outputs and names of initializers that are kept to compare them: bounds the memory of the inspection. */
export const MAX_KEPT_NAME_BYTES = 16 * 1024 ** 2;
export const MAX_DIMENSIONS = 8;
export const MAX_TENSOR_NAME = 256;

/**
 * What onnxruntime-node 1.30.0 loads, measured: IR 14, opset 27 and version 6 of ai.onnx.ml fail. It guarantees opsets
 * from 7 on. Raise the upper ends together with the runtime.
 */
export const IR_VERSIONS = { from: 3, to: 13 } as const;

export const DEFAULT_DOMAIN = "ai.onnx";
/** Operator sets whose kernels the runtime brings along. Any other one would need a library of custom operators. */
export const OPSETS: ReadonlyMap<string, { readonly from: number; readonly to: number }> = new Map([
  [DEFAULT_DOMAIN, { from: 7, to: 26 }],
  ["ai.onnx.ml", { from: 1, to: 5 }],
  // The runtime's own operators, which its tools and quantisers write.
  ["com.microsoft", { from: 1, to: 1 }],
]);
export const DOMAINS = new Intl.ListFormat("en").format(OPSETS.keys());
/** Layouts of one processor, as an optimised model has them that was saved at the highest level. */
export const PROCESSOR_DOMAINS: ReadonlySet<string> = new Set(["com.microsoft.nchwc", "com.ms.internal.nhwc"]);
/** Imports that no operator uses are ignored; tools of ONNX Runtime write nine. */
export const MAX_IMPORTS = 64;

/** The empty domain is a short name for `ai.onnx`. */
export const domainName = (domain: string): string => (domain === "" ? DEFAULT_DOMAIN : domain);
