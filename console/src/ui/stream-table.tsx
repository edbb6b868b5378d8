import { Link } from "@tanstack/react-router";
import type { Node } from "../api/types.ts";
import { bytesText } from "../core/text/units.ts";
import { Status } from "./status.tsx";

type Stream = NonNullable<Node["load"]>["streams"][number];

const TONES = { running: "good", waiting: "warn", ending: "busy" } as const;

/**
 * What became of everything that streams have read, a row each: produced is the sum of the other counts. `node`: of streams of
 * several nodes, where each runs.
 */
export function StreamTable({ rows }: { readonly rows: readonly (Stream & { readonly node?: string })[] }) {
  const hasNodes = rows.some(({ node }) => node !== undefined);
  return (
    <div className="table">
      <table>
        <thead>
          <tr>
            <th scope="col">Stream</th>
            {hasNodes && <th scope="col">Node</th>}
            <th scope="col">State</th>
            {["Produced", "Delivered", "Duplicates", "Expired", "Dropped", "Waiting"].map((title) => (
              <th key={title} scope="col" className="number">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((stream) => (
            <tr key={`${stream.deployment}/${stream.name} ${stream.node ?? ""}`}>
              <th scope="row">
                {hasNodes ? (
                  stream.name
                ) : (
                  <>
                    <Link to="/deployments/$deployment" params={{ deployment: stream.deployment }}>
                      {stream.deployment}
                    </Link>
                    /{stream.name}
                  </>
                )}
              </th>
              {hasNodes && (
                <td>
                  <Link to="/nodes/$node" params={{ node: stream.node ?? "" }}>
                    {stream.node}
                  </Link>
                </td>
              )}
              <td>
                <Status tone={TONES[stream.state]}>{stream.state}</Status>
                {stream.reason !== undefined && <p className="faint">{stream.reason}</p>}
              </td>
              <td className="number">{stream.produced}</td>
              <td className="number">{stream.delivered}</td>
              <td className="number">{stream.deduplicated}</td>
              <td className="number">{stream.expired}</td>
              <td className="number">{stream.dropped}</td>
              <td className="number">
                {stream.waiting}
                {stream.waitingBytes > 0 && <span className="faint"> ({bytesText(stream.waitingBytes)})</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
