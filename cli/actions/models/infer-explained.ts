import { writeFile } from "node:fs/promises";
import { z } from "zod";
import { explainResponse, type ExplainResponse } from "../../../shared/api/v1/deployments/explain.ts";
import { modelMetadata } from "../../../shared/api/v1/inference.ts";
import { decodeRequest } from "../../../shared/inference/request.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import type { TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import { type ApiClient, type ApiResponse, decode } from "../../api/client.ts";
import { readList } from "../../api/lists.ts";
import { isApiFailure } from "../../api/problem.ts";
import { usageFailure } from "../../failure.ts";
import {
  type AnsweredTensor,
  decisionWords,
  type ExplainedRow,
  explainedRows,
  influenceWords,
  numbersOf,
} from "../../infer/explanation.ts";
import { type EncodedRequest, graphsOf } from "../../infer/request.ts";
import { parseRoute, type Route, routeWords } from "../../infer/route-header.ts";

/** What was decided, from which inputs, where it ran and why there, and why the model is there at all. */
interface JoinedExplanation {
  readonly decided: readonly ExplainedRow[];
  readonly from: { readonly input: string; readonly output: string; readonly method: string };
  readonly ranOn: { readonly node: string | null; readonly modelVersion: string | null; readonly route: Route | null };
  /** Null: the answer came of no placement that this key may read. */
  readonly placed: {
    readonly deployment: string;
    readonly node: string;
    readonly decidedAgeMs: number;
    readonly sentence: string;
  } | null;
}

const listedDeployment = z.looseObject({ name: z.string(), spec: z.looseObject({ model: z.string() }) });

/** Joins the explanations of one answer; writes the picture when `png` names a file. */
export async function joinExplanations(
  api: ApiClient,
  of: {
    readonly url: string;
    readonly request: EncodedRequest;
    readonly answer: ApiResponse;
    readonly outputs: readonly AnsweredTensor[];
    readonly png: string | undefined;
  },
): Promise<JoinedExplanation> {
  const { request, answer, outputs, png } = of;
  const metadata = decode(modelMetadata, (await api.get(of.url)).body, "a model's metadata");
  // Of a pipeline only the answers of its graphs are explained.
  const graphs = graphsOf(metadata);
  const asked = decodeRequest(request.content, request.headerLength ?? JSON_BODY, signatureOf(graphs), {
    isExplained: true,
  });
  const { explain } = asked;
  const input = asked.inputs.find(({ name }) => name === explain?.input);
  const output = outputs.find(({ name }) => name === explain?.output);
  const explanation = outputs.find(({ name }) => name === explain?.name);
  if (explain === undefined || input === undefined || explanation === undefined)
    throw usageFailure("the answer has no explanation", "let its outputs be in JSON, and the explanation among them");
  const { shape } = input;
  const values = Array.from(input.data, Number);
  if (png !== undefined) {
    const { explanationPicture } = await import("../../infer/explanation-picture.ts");
    const influences = numbersOf(explanation.data);
    await writeFile(png, explanationPicture({ shape, values, influences }));
  }
  const spec = graphs.outputs.find(({ name }) => name === explain.output);
  const route = parseRoute(answer.headers.get("skerry-route"));
  return {
    decided:
      output === undefined
        ? []
        : explainedRows({ input: { shape, values }, output, spec, explanation, element: explain.element }),
    from: { input: explain.input, output: explain.output, method: explain.method },
    ranOn: {
      node: answer.headers.get("skerry-node"),
      modelVersion: answer.headers.get("skerry-model-version"),
      route,
    },
    placed: await placementOf(api, { model: metadata.name, route }),
  };
}

function signatureOf({ inputs, outputs }: ReturnType<typeof graphsOf>) {
  const isOptional = ({ parameters }: TensorSpec): boolean => parameters?.optional === true;
  return { inputs: inputs.filter((input) => !isOptional(input)), optional: inputs.filter(isOptional), outputs };
}

/** The planner's record of the placement that answered. Null where this key may not read it, or it is gone, or a node was asked itself. */
async function placementOf(
  api: ApiClient,
  { model, route }: { readonly model: string; readonly route: Route | null },
): Promise<JoinedExplanation["placed"]> {
  if (route?.placement === undefined || route.reason === "local") return null;
  try {
    const { items } = await readList(api, "/api/v1/deployments", listedDeployment);
    for (const { name } of items.filter(({ spec }) => spec.model === model)) {
      const { body } = await api.get(`/api/v1/deployments/${encodeURIComponent(name)}/explain`);
      const { placements }: ExplainResponse = decode(explainResponse, body, "an explanation");
      const found = placements.find(({ placementId }) => placementId === route.placement);
      if (found !== undefined) {
        const { node, decidedAgeMs, explain } = found;
        return { deployment: name, node, decidedAgeMs, sentence: explain.sentence };
      }
    }
    return null;
  } catch (error) {
    if (isApiFailure(error) && (error.status === 403 || error.status === 404)) return null;
    throw error;
  }
}

/** The four of them as lines for a person. Of many rows the first. */
export function explanationLines({ decided, from, ranOn, placed }: JoinedExplanation): readonly string[] {
  const rows = decided.slice(0, SHOWN_ROWS).flatMap((row, i) => {
    const label = decided.length > 1 ? `row ${i}: ` : "";
    return [
      `decided   ${label}${decisionWords(from.output, row)}`,
      `from      ${label}${from.input} by ${from.method}: ${influenceWords(row)}`,
    ];
  });
  const more = decided.length > SHOWN_ROWS ? [`          … ${decided.length - SHOWN_ROWS} rows more`] : [];
  return [
    ...rows,
    ...more,
    `ran on    ${ranOn.node ?? "a node that is not told"}: ${routeWords(ranOn.route)}`,
    `is there  ${placed === null ? "as its deployment has it; this key may not read why, or the node was asked itself" : placed.sentence}`,
  ];
}

const SHOWN_ROWS = 3;
