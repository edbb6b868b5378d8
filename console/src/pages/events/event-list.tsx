import { Link } from "@tanstack/react-router";
import type { SkerryEvent } from "../../api/types.ts";
import { AgeOf } from "../../ui/age.tsx";
import { Status } from "../../ui/status.tsx";

/** Events as a table, the newest first. */
export const EventList = ({ events }: { readonly events: readonly SkerryEvent[] }) =>
  events.length === 0 ? (
    <p className="faint">Nothing yet.</p>
  ) : (
    <div className="table stacks">
      <table>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">What</th>
            <th scope="col">To</th>
            <th scope="col">Message</th>
          </tr>
        </thead>
        <tbody>
          {events.map(({ id, at, type, reason, object, message }) => (
            <tr key={id}>
              <td className="nowrap">
                <AgeOf instant={at} />
              </td>
              <td className="nowrap">
                <Status tone={type === "Warning" ? "warn" : "idle"}>{reason}</Status>
              </td>
              <td className="nowrap">
                <ObjectLink object={object} />
              </td>
              <td className="prose">{message}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );

/** `node/edge-a` as a way to its page, where there is one. */
function ObjectLink({ object }: { readonly object: string }) {
  const [kind, name = ""] = object.split("/", 2);
  if (kind === "node")
    return (
      <Link to="/nodes/$node" params={{ node: name }}>
        {object}
      </Link>
    );
  if (kind === "deployment")
    return (
      <Link to="/deployments/$deployment" params={{ deployment: name }}>
        {object}
      </Link>
    );
  return <>{object}</>;
}
