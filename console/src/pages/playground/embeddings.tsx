import { useMutation } from "@tanstack/react-query";
import { useId, useState } from "react";
import { elementsText } from "../../core/playground/output-rows.ts";
import { Complaint } from "../../ui/states.tsx";
import { type AnswerFacts, Facts, factsOf } from "./answer-facts.tsx";
import { ask, nodeHeaders } from "./ask.ts";
import { Code, here } from "./code.tsx";

const PATH = "/v1/embeddings";

/** A text, and the vector that a model makes of it. */
export function Embeddings({ model, node }: { readonly model: string; readonly node: string | undefined }) {
  const [input, setInput] = useState("The ferry leaves at nine.");
  const id = useId();
  const request = { body: { model, input }, headers: nodeHeaders(node) };
  const send = useMutation({
    mutationFn: async (): Promise<{ readonly vector: readonly number[]; readonly facts: AnswerFacts }> => {
      const startedAt = performance.now();
      const response = await ask(PATH, request);
      const answer: { readonly data?: readonly { readonly embedding?: readonly number[] }[] } = await response.json();
      const facts = factsOf(response.headers, performance.now() - startedAt);
      return { vector: answer.data?.[0]?.embedding ?? [], facts };
    },
  });
  return (
    <form
      className="playground"
      onSubmit={(event) => {
        event.preventDefault();
        send.mutate();
      }}
    >
      <label className="field" htmlFor={id}>
        <span>Text</span>
        <textarea id={id} rows={4} value={input} onChange={(event) => setInput(event.target.value)} />
      </label>
      <button type="submit" className="primary" disabled={send.isPending}>
        Ask
      </button>
      {send.isError && <Complaint error={send.error} />}
      {send.data && (
        <>
          <Facts facts={send.data.facts} />
          <p>
            {send.data.vector.length} dimensions: <code>{elementsText(send.data.vector)}</code>
          </p>
        </>
      )}
      <Code request={{ ...request, url: here(PATH) }} />
    </form>
  );
}
