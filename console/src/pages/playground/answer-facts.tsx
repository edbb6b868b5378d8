import { Link } from "@tanstack/react-router";
import { waterfallOf } from "../../core/playground/server-timing.ts";
import { msText } from "../../core/text/units.ts";
import { routedVariant, versionText } from "../../core/variants.ts";

/** Which node answered, why that one, and where the time went. */
export interface AnswerFacts {
  readonly node: string | null;
  readonly version: string | null;
  readonly route: string | null;
  readonly timing: string | null;
  /** Until the answer began, and from there until its end. */
  readonly headMs: number;
  readonly restMs: number;
}

export const factsOf = (headers: Headers, headMs: number, restMs = 0): AnswerFacts => ({
  node: headers.get("skerry-node"),
  version: headers.get("skerry-model-version"),
  route: headers.get("skerry-route"),
  timing: headers.get("server-timing"),
  headMs,
  restMs,
});

export function Facts({ facts: { node, version, route, timing, headMs, restMs } }: { readonly facts: AnswerFacts }) {
  const totalMs = headMs + restMs;
  const parts = waterfallOf(timing, headMs, restMs);
  const reason = /reason="?([\w-]+)/.exec(route ?? "")?.[1];
  return (
    <>
      <p role="status">
        <strong>{versionText(version ?? "The model", routedVariant(route))}</strong> answered
        {node !== null && (
          <>
            {" on "}
            <Link to="/nodes/$node" params={{ node }}>
              {node}
            </Link>
          </>
        )}{" "}
        in {msText(totalMs)}
        {reason !== undefined && <span className="faint"> ({reason})</span>}
      </p>
      <table className="waterfall" aria-label="Where the time went">
        <tbody>
          {parts.map(({ name, ms, startMs }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td className="number">{msText(ms)}</td>
              <td className="bar-cell">
                <svg
                  viewBox="0 0 100 8"
                  preserveAspectRatio="none"
                  role="img"
                  aria-label={`${name} from ${msText(startMs)} on`}
                >
                  <rect x={(100 * startMs) / totalMs} width={Math.max(0.4, (100 * ms) / totalMs)} height="8" />
                </svg>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
