import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, bodyOf } from "../../api/client.ts";
import { useNodes } from "../../live/lists.ts";
import { stateOfNode, toneOfNode } from "../../core/fleet/tone.ts";
import { Age } from "../../ui/age.tsx";
import { CopyText } from "../../ui/copy.tsx";
import { Panel } from "../../ui/dialog.tsx";
import { Complaint } from "../../ui/states.tsx";
import { Status } from "../../ui/status.tsx";

/** Makes a join token, shows the line to paste, and sees the node arrive. */
export function JoinDialog({ onClose }: { readonly onClose: () => void }) {
  const nodes = useNodes();
  const [kind, setKind] = useState<"edge" | "cloud">("edge");
  const [site, setSite] = useState("default");
  const [name, setName] = useState("");
  const [needsApproval, setNeedsApproval] = useState(false);
  const [before, setBefore] = useState<ReadonlySet<string>>(new Set());
  const making = useMutation({
    mutationFn: () => {
      setBefore(new Set(nodes.rows.map(({ item }) => item.id)));
      return bodyOf(
        api.POST("/api/v1/join-tokens", {
          body: { kind, site, ...(name !== "" && { name }), ttlSeconds: 600, needsApproval },
        }),
      );
    },
  });
  const arrived = making.data ? nodes.rows.filter(({ item }) => !before.has(item.id)) : [];
  return (
    <Panel title="Join a node" isOpen onClose={onClose}>
      {making.data === undefined ? (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            making.mutate();
          }}
        >
          <fieldset className="field">
            <legend>Kind</legend>
            {(["edge", "cloud"] as const).map((each) => (
              <label key={each} className="choice">
                <input type="radio" name="kind" checked={kind === each} onChange={() => setKind(each)} /> {each}
              </label>
            ))}
          </fieldset>
          <label className="field">
            <span>Site</span>
            <input
              value={site}
              required
              pattern="[a-z0-9][a-z0-9\-]*"
              onChange={(event) => setSite(event.target.value)}
            />
          </label>
          <label className="field">
            <span>Name (or the node proposes one)</span>
            <input value={name} pattern="[a-z0-9][a-z0-9\-]*" onChange={(event) => setName(event.target.value)} />
          </label>
          <label className="choice">
            <input
              type="checkbox"
              checked={needsApproval}
              onChange={({ target }) => setNeedsApproval(target.checked)}
            />{" "}
            It waits until somebody approves it
          </label>
          {making.isError && <Complaint error={making.error} />}
          <div className="actions">
            <button type="button" className="quiet" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" className="primary" disabled={making.isPending}>
              Make a join token
            </button>
          </div>
        </form>
      ) : (
        <>
          <p>Paste this on the device. The token is good for one node and ten minutes, and is shown this once.</p>
          <CopyText label="Command that joins" text={making.data.joinCommand} />
          <div role="status">
            {arrived.length === 0 ? (
              <Status tone="busy">Waiting for the node …</Status>
            ) : (
              <ul className="needs">
                {arrived.map(({ item, at }) => (
                  <li key={item.id}>
                    <Status tone={toneOfNode(item)}>
                      <Link to="/nodes/$node" params={{ node: item.name }} onClick={onClose}>
                        {item.name}
                      </Link>
                    </Status>
                    <span>
                      {stateOfNode(item)}, arrived <Age since={at} />
                    </span>
                  </li>
                ))}
              </ul>
            )}
          </div>
        </>
      )}
    </Panel>
  );
}
