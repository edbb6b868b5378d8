import { describe, expect, it } from "@jest/globals";
import {
  chooseVariant,
  type VariantOption,
} from "../../../../../../control-plane/core/scheduling/needs/choose-variant.ts";

const option = (name: string, memMiB: number, over: Partial<VariantOption> = {}): VariantOption => ({
  name,
  memMiB,
  bytes: memMiB * 1_000,
  canRun: true,
  runUs: undefined,
  ...over,
});
const ALL = [option("reference", 1_000), option("int8", 400), option("fp16", 600)];
const node = (usableMiB: number, pinned?: string) => ({ pinned, usableMiB, class: "edge nodes of arm64" });
const timed = (...us: readonly (number | undefined)[]) => ALL.map((each, at) => ({ ...each, runUs: us[at] }));

describe("the choice of a variant", () => {
  it.each([
    ["gives a pinned one, whether it fits or not", ALL, node(100, "fp16"), "fp16", "the deployment asks for it"],
    ["gives the reference where it fits", ALL, node(1_000), "reference", "it fits, and none was measured"],
    [
      "gives the first of the list where the reference does not fit",
      ALL,
      node(999),
      "int8",
      "reference needs 1000 MiB of memory, and the node has 999 for models",
    ],
    [
      "passes over one that does not fit either",
      [ALL[0]!, option("fp16", 600), option("int8", 400)],
      node(500),
      "int8",
      "reference needs 1000 MiB",
    ],
    ["gives the smallest where none fits", ALL, node(300), "int8", "none fits the 300 MiB"],
    [
      "gives what the node can run",
      [{ ...ALL[0]!, canRun: false }, option("int8", 400, { canRun: false }), option("fp16", 600)],
      node(2_000),
      "fp16",
      "the node cannot run reference",
    ],
    [
      "gives a smaller one where it was measured to be 1.25 times as quick",
      timed(1_000, 800),
      node(2_000),
      "int8",
      "it runs in 0.8 ms on edge nodes of arm64, and reference in 1 ms",
    ],
    ["stays with the reference for less than that", timed(1_000, 801), node(2_000), "reference", "it fits"],
    ["compares only what was measured on both sides", timed(undefined, 10), node(2_000), "reference", "it fits"],
    [
      "compares those that fit where the reference does not",
      timed(undefined, 1_000, 500),
      node(700),
      "fp16",
      "it runs in 0.5 ms on edge nodes of arm64, and int8 in 1 ms",
    ],
    ["gives no quick one that does not fit", timed(1_000, 900, 1), node(500), "int8", "reference needs"],
  ] as const)("%s", (_, options, on, name, why) => {
    const choice = chooseVariant(options, on);
    expect([choice.name, choice.why]).toEqual([name, expect.stringContaining(why)]);
  });
});
