import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { api, bodyOf } from "../../api/client.ts";
import { influencePixels, type Influences, strongestOf } from "../../core/playground/explanation.ts";
import type { InputForm } from "../../core/playground/playground-inputs.ts";

const SHOWN = 5;

/** The input that is explained: its form, and the numbers of its first row. */
export interface ExplainedInput {
  readonly form: InputForm;
  readonly values: readonly number[];
}

/** Why: what was decided, from which elements of the input, and why the model is where it ran. `Facts` says where that is. */
export function Explained({
  of,
  input,
  label,
  deployment,
  route,
}: {
  readonly of: Influences;
  readonly input: ExplainedInput | undefined;
  /** Of the class that was decided, where the model's file names it. */
  readonly label: string | number | undefined;
  readonly deployment: string;
  readonly route: string | null;
}) {
  const { method, output, element, value, values: influences } = of;
  return (
    <section className="explained" aria-label="Why">
      <p>
        Decided: <strong>{label ?? element}</strong>, because{" "}
        <code>
          {output}[{element}] = {Number(value.toPrecision(3))}
        </code>
        . What this hangs on, by {method}:
      </p>
      {input?.form.kind === "image" ? (
        <Picture form={input.form} values={input.values} influences={influences} />
      ) : (
        <Strongest of={of} values={input?.values} />
      )}
      <WhyThere deployment={deployment} route={route} />
    </section>
  );
}

function Picture({
  form,
  values,
  influences,
}: {
  readonly form: Extract<InputForm, { kind: "image" }>;
  readonly values: readonly number[];
  readonly influences: readonly number[];
}) {
  const sheet = useRef<HTMLCanvasElement>(null);
  const { width, height } = form;
  useEffect(() => {
    const pixels = influencePixels({ values, influences }, form);
    sheet.current?.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
  }, [values, influences, form, width, height]);
  return (
    <figure>
      <canvas ref={sheet} width={width} height={height} role="img" aria-label="Influence of each part of the picture" />
      <figcaption className="faint">Red speaks for the answer, blue against it.</figcaption>
    </figure>
  );
}

function Strongest({ of, values }: { readonly of: Influences; readonly values: readonly number[] | undefined }) {
  const strongest = strongestOf(of.values, SHOWN);
  if (strongest.length === 0) return <p>No element: none differs from the baseline, or none changes the answer.</p>;
  return (
    <table className="scores" aria-label={`Influence of elements of ${of.input}`}>
      <tbody>
        {strongest.map(({ at, influence }) => (
          <tr key={at}>
            <th scope="row">
              {of.input}[{at}]{values?.[at] !== undefined && ` = ${Number(values[at].toPrecision(3))}`}
            </th>
            <td className="number">
              {influence > 0 ? "+" : "−"}
              {Number(Math.abs(influence).toPrecision(3))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The planner's record of the placement that answered. */
function WhyThere({ deployment, route }: { readonly deployment: string; readonly route: string | null }) {
  const placement = /placement="([^"]+)"/.exec(route ?? "")?.[1];
  const query = useQuery({
    queryKey: ["playground", "why-there", deployment, placement],
    queryFn: () => bodyOf(api.GET("/api/v1/deployments/{deployment}/explain", { params: { path: { deployment } } })),
    enabled: placement !== undefined,
    retry: false,
  });
  const found = query.data?.placements.find(({ placementId }) => placementId === placement);
  return (
    <p>
      It is there: {found === undefined ? "as its deployment has it" : found.explain.sentence}.{" "}
      <Link to="/explain/$deployment" params={{ deployment }}>
        All nodes
      </Link>
    </p>
  );
}
