import type { Decided } from "../../core/playground/decision.ts";
import { elementsText, figureText, type OutputTensor, scoresOf } from "../../core/playground/output-rows.ts";
import { shapeText } from "../../core/playground/tensor-text.ts";
import { Meter } from "../../ui/status.tsx";

const MOST_ROWS = 50;

/** What a pipeline made of its input: a row for each picture, recording or line. */
export function Decision({ of: { stages, rule, rows } }: { readonly of: Decided }) {
  return (
    <section className="explained" aria-label="Decision">
      {rows.length === 1 && (
        <p>
          Decided: <strong>{rows[0]?.decision}</strong>
          {rows[0]?.confidence !== undefined && `, with confidence ${figureText(rows[0].confidence)}`}
        </p>
      )}
      {rows.length > 1 && (
        <table className="scores" aria-label="Decisions">
          <tbody>
            {rows.slice(0, MOST_ROWS).map(({ decision, confidence }, at) => (
              <tr key={at}>
                <th scope="row">{at + 1}</th>
                <td>{decision}</td>
                <td className="number">{confidence !== undefined && figureText(confidence)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {rows.length > MOST_ROWS && <p className="faint">and {rows.length - MOST_ROWS} more rows</p>}
      {rule !== undefined && rows.length === 0 && <p>Nothing was decided: no row was left, or no window has ended.</p>}
      <p className="faint">
        Passed <code>{stages}</code>
        {rule !== undefined && (
          <>
            , decided by <code>{rule}</code>
          </>
        )}
      </p>
    </section>
  );
}

/** One output: a short vector of scores as bars, anything else as its first elements. */
export function Output({
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
