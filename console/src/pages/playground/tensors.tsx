import { useMutation, useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { ModelVersion } from "../../api/types.ts";
import { type ExplainedBody, type Influences, influencesOf } from "../../core/playground/explanation.ts";
import { elementsText, figureText, type OutputTensor, scoresOf } from "../../core/playground/output-rows.ts";
import { formOf, type InputForm, type InputSpec, parseNumbers } from "../../core/playground/playground-inputs.ts";
import { shapeText } from "../../core/playground/tensor-text.ts";
import { Section } from "../../ui/page.tsx";
import { Complaint } from "../../ui/states.tsx";
import { Meter } from "../../ui/status.tsx";
import { type AnswerFacts, Facts, factsOf } from "./answer-facts.tsx";
import { ask, nodeHeaders } from "./ask.ts";
import { Code, here } from "./code.tsx";
import { Explained, type ExplainedInput } from "./explained.tsx";
import { ImageInput } from "./image-input.tsx";

interface Answer {
  readonly outputs: readonly OutputTensor[];
  readonly facts: AnswerFacts;
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
  const [values, setValues] = useState<Readonly<Record<string, InputValue>>>(() =>
    Object.fromEntries(inputs.map((spec) => [spec.name, emptyOf(spec)])),
  );
  const url = `/v2/models/${encodeURIComponent(version.model)}`;
  const path = `${url}/infer`;
  const canExplain = useExplainers(version.model);
  const [asked, setAsked] = useState(0);
  const send = useMutation({
    mutationFn: async ({ explain }: { readonly explain: boolean }): Promise<Answer> => {
      const body = requestOf(inputs, values);
      const startedAt = performance.now();
      const response = await ask(explain ? `${url}:explain` : path, { body, headers: nodeHeaders(node) });
      const answer: ExplainedBody = await response.json();
      const facts = factsOf(response.headers, performance.now() - startedAt);
      const of = influencesOf(answer);
      const why = of && { of, input: explainedInput(body.inputs, { name: of.input, specs: inputs }) };
      const outputs = (answer.outputs ?? []).filter(({ name }) => why === undefined || !isExplanation(name));
      return { outputs, facts, why };
    },
  });
  const askNow = (explain: boolean): void => {
    setAsked((before) => before + 1);
    send.mutate({ explain });
  };
  const written = tryRequest(inputs, values);
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
            value={values[spec.name] ?? emptyOf(spec)}
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
        {written !== undefined && <Code request={{ url: here(path), headers: nodeHeaders(node), body: written }} />}
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

/** Numbers and texts as they are typed; of an image the numbers that its pixels are. */
interface InputValue {
  readonly form: InputForm;
  readonly text: string;
  readonly pixels: readonly number[] | undefined;
}

function emptyOf(spec: InputSpec): InputValue {
  const form = formOf(spec);
  if (form.kind === "text") return { form, text: "Hello", pixels: undefined };
  const elements = form.shape.reduce((product, size) => product * size, 1);
  // A long row of zeros says nothing that its length does not.
  const text = elements <= 64 ? Array.from({ length: elements }, () => 0).join(", ") : "";
  return { form, text, pixels: form.kind === "image" ? Array.from({ length: elements }, () => 0) : undefined };
}

interface GivenInput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly (string | number | boolean)[];
}

/** Throws what is wrong with an input, with its name. */
function requestOf(
  inputs: readonly InputSpec[],
  values: Readonly<Record<string, InputValue>>,
): { readonly inputs: readonly GivenInput[] } {
  return {
    inputs: inputs.map((spec) => {
      const { name, datatype, shape } = spec;
      const { form, text, pixels } = values[name] ?? emptyOf(spec);
      if (form.kind === "text")
        return { name, datatype, shape: shape.map((size) => (size === -1 ? 1 : size)), data: [text] };
      const elements = form.shape.reduce((product, size) => product * size, 1);
      if (pixels !== undefined) return { name, datatype, shape: form.shape, data: pixels };
      try {
        const data = text.trim() === "" ? Array.from({ length: elements }, () => 0) : parseNumbers(text, elements);
        const rows = data.length / elements;
        if (rows > 1 && shape[0] !== -1) throw new Error(`${data.length} numbers are there, and it takes ${elements}`);
        const bools = datatype === "BOOL";
        return {
          name,
          datatype,
          shape: rows > 1 ? [rows, ...form.shape.slice(1)] : form.shape,
          data: bools ? data.map((value) => value !== 0) : data,
        };
      } catch (error) {
        throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }),
  };
}

function tryRequest(inputs: readonly InputSpec[], values: Readonly<Record<string, InputValue>>): object | undefined {
  try {
    return requestOf(inputs, values);
  } catch {
    return undefined;
  }
}

function InputField({
  spec,
  value,
  asked,
  onChange,
  onDone,
}: {
  readonly spec: InputSpec;
  readonly value: InputValue;
  readonly asked: number;
  readonly onChange: (value: InputValue) => void;
  readonly onDone: () => void;
}) {
  const id = useId();
  const { form, text } = value;
  const [isTyped, setTyped] = useState(false);
  const title = `${spec.name}, ${spec.datatype} ${shapeText(spec.shape)}`;
  if (form.kind === "image" && !isTyped)
    return (
      <fieldset className="field">
        <legend>{title}</legend>
        <ImageInput
          form={form}
          datatype={spec.datatype}
          asked={asked}
          onPixels={(pixels) => onChange({ ...value, pixels })}
          onDone={onDone}
        />
        <button
          type="button"
          className="quiet"
          onClick={() => {
            setTyped(true);
            onChange({ ...value, pixels: undefined });
          }}
        >
          Type numbers instead
        </button>
      </fieldset>
    );
  return (
    <label className="field" htmlFor={id}>
      <span>{title}</span>
      <textarea
        id={id}
        rows={form.kind === "text" ? 3 : 4}
        value={text}
        placeholder={form.kind === "text" ? "" : "numbers, separated by commas, or a JSON array; empty: zeros"}
        onChange={(event) => onChange({ ...value, text: event.target.value })}
      />
    </label>
  );
}

function Output({
  output,
  classes,
}: {
  readonly output: OutputTensor;
  readonly classes: readonly (string | number)[] | undefined;
}) {
  const scores = scoresOf(output, classes ?? output.parameters?.classes);
  return (
    <div className="output">
      <h3>
        <code>{output.name}</code>{" "}
        <span className="faint">
          {output.datatype} {shapeText(output.shape)}
        </span>
      </h3>
      {scores === undefined ? (
        <p>
          <code>{elementsText(output.data)}</code>
        </p>
      ) : (
        <table className="scores" aria-label={`Scores of ${output.name}`}>
          <tbody>
            {scores.map(({ label, value, percent, isBest }) => (
              <tr key={label} className={isBest ? "best" : undefined}>
                <th scope="row">{label}</th>
                <td>
                  <Meter value={percent} label={figureText(value)} tone={isBest ? "good" : "busy"} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
