import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { ModelVersion } from "../../api/types.ts";
import { type Influences, influencesOf } from "../../core/playground/explanation.ts";
import { decodeAnswer, encodeBody, inferBody } from "../../core/playground/binary-body.ts";
import { type Decided, decidedOf } from "../../core/playground/decision.ts";
import { emptyOf, type GivenInput, givenInput, type InputValue } from "../../core/playground/given-inputs.ts";
import type { OutputTensor } from "../../core/playground/output-rows.ts";
import { formOf, type InputSpec } from "../../core/playground/playground-inputs.ts";
import { Section } from "../../ui/page.tsx";
import { Complaint } from "../../ui/states.tsx";
import { type AnswerFacts, Facts, factsOf } from "./answer-facts.tsx";
import { ask, nodeHeaders } from "./ask.ts";
import { Code, here } from "./code.tsx";
import { Explained, type ExplainedInput } from "./explained.tsx";
import { InputField } from "./input-field.tsx";
import { Decision, Output } from "./output.tsx";

interface Answer {
  readonly outputs: readonly OutputTensor[];
  readonly facts: AnswerFacts;
  /** Of a pipeline. */
  readonly decided: Decided | undefined;
  /** Of an answer that was asked to explain itself. */
  readonly why: { readonly of: Influences; readonly input: ExplainedInput | undefined } | undefined;
}

/** A form made of a model's signature, and what it answers. */
export function Tensors({
  version,
  node,
  deployment,
}: {
  readonly version: ModelVersion;
  readonly node: string | undefined;
  /** Whose replicas answer. */
  readonly deployment: string;
}) {
  const inputs = version.inputs.filter(({ parameters }) => parameters?.optional !== true);
  const isRaw = version.pipeline !== null;
  const [values, setValues] = useState<Values>(() => emptyValues(inputs, isRaw));
  const url = `/v2/models/${encodeURIComponent(version.model)}`;
  const path = `${url}/infer`;
  // Parts of a picture or a table have no influence of their own: of a pipeline its graphs can be explained, by a program.
  const canExplain = useExplainers(version.model) && !isRaw;
  const [asked, setAsked] = useState(0);
  const send = useMutation({
    mutationFn: async ({ explain }: { readonly explain: boolean }): Promise<Answer> => {
      const given = givenOf(inputs, values);
      const { body, headers } = encodeBody(inferBody(given, version.outputs));
      const startedAt = performance.now();
      const response = await ask(explain ? `${url}:explain` : path, {
        body,
        headers: { ...headers, ...nodeHeaders(node) },
      });
      const bytes = new Uint8Array(await response.arrayBuffer());
      const answer = decodeAnswer(bytes, response.headers.get("Inference-Header-Content-Length"));
      const facts = factsOf(response.headers, performance.now() - startedAt);
      const of = influencesOf(answer);
      const why = of && { of, input: explainedInput(given, { name: of.input, specs: inputs }) };
      const decided = decidedOf(answer);
      const outputs = (answer.outputs ?? []).filter(
        ({ name }) => (why === undefined || !isExplanation(name)) && decided?.names.includes(name) !== true,
      );
      return { outputs, facts, decided, why };
    },
  });
  const askNow = (explain: boolean): void => {
    setAsked((before) => before + 1);
    send.mutate({ explain });
  };
  const written = tryRequest(inputs, { values, outputs: version.outputs });
  return (
    <form
      className="playground columns"
      onSubmit={(event) => {
        event.preventDefault();
        askNow(false);
      }}
    >
      <Section title="Input">
        {inputs.map((spec) => (
          <InputField
            key={spec.name}
            spec={spec}
            value={values[spec.name] ?? emptyOf(spec, isRaw)}
            onChange={(value) => setValues((before) => ({ ...before, [spec.name]: value }))}
            asked={asked}
            onDone={() => send.mutate({ explain: false })}
          />
        ))}
        {inputs.length === 0 && <p className="faint">This model takes nothing.</p>}
        <button type="submit" className="primary" disabled={send.isPending}>
          Ask
        </button>{" "}
        {canExplain && (
          <button type="button" disabled={send.isPending} onClick={() => askNow(true)}>
            Ask and explain
          </button>
        )}
      </Section>
      <Section title="Answer">
        {send.isError && <Complaint error={send.error} />}
        {send.data ? (
          <>
            <Facts facts={send.data.facts} />
            {send.data.decided !== undefined && <Decision of={send.data.decided} />}
            {send.data.why !== undefined && (
              <Explained
                {...send.data.why}
                label={classesOf(version, send.data.why.of)}
                deployment={deployment}
                route={send.data.facts.route}
              />
            )}
            {send.data.outputs.map((output) => (
              <Output
                key={output.name}
                output={output}
                classes={version.outputs.find(({ name }) => name === output.name)?.parameters?.classes}
              />
            ))}
          </>
        ) : (
          !send.isError && <p className="faint">Nothing was asked yet.</p>
        )}
        {written !== undefined ? (
          <Code request={{ url: here(path), headers: nodeHeaders(node), body: written.json, infer: written }} />
        ) : (
          <p className="faint">As a program: once every input is there.</p>
        )}
      </Section>
    </form>
  );
}

/** Whether the version that serves has methods by which its answers can be explained. */
function useExplainers(model: string): boolean {
  const query = useQuery({
    queryKey: ["playground", "metadata", model],
    queryFn: () => bodyOf(api.GET("/v2/models/{model}", { params: { path: { model } } })),
    retry: false,
  });
  return query.data?.properties?.["skerry.explainers"] !== undefined;
}

const isExplanation = (name: string): boolean => name === "explanation" || name === "skerry.explanation";

/** The class of the element that is explained, where the model's file names it. */
const classesOf = ({ outputs }: ModelVersion, { output, element }: Influences): string | number | undefined =>
  outputs.find(({ name }) => name === output)?.parameters?.classes?.[element];

function explainedInput(
  given: readonly GivenInput[],
  { name, specs }: { readonly name: string; readonly specs: readonly InputSpec[] },
): ExplainedInput | undefined {
  const spec = specs.find((each) => each.name === name);
  const input = given.find((each) => each.name === name);
  if (spec === undefined || input === undefined) return undefined;
  const rows = input.shape[0] ?? 1;
  return { form: formOf(spec), values: input.data.slice(0, input.data.length / rows).map(Number) };
}

type Values = Readonly<Record<string, InputValue>>;

const emptyValues = (inputs: readonly InputSpec[], isRaw: boolean): Values =>
  Object.fromEntries(inputs.map((spec) => [spec.name, emptyOf(spec, isRaw)]));

/** Throws what is wrong with an input, with its name. */
const givenOf = (inputs: readonly InputSpec[], values: Values): readonly GivenInput[] =>
  inputs.map((spec) => givenInput(spec, values[spec.name] ?? emptyOf(spec, false)));

function tryRequest(
  inputs: readonly InputSpec[],
  { values, outputs }: { readonly values: Values; readonly outputs: ModelVersion["outputs"] },
): ReturnType<typeof inferBody> | undefined {
  try {
    return inferBody(givenOf(inputs, values), outputs);
  } catch {
    return undefined;
  }
}
