import { useState } from "react";
import { api } from "../../api/client.ts";
import type { Node } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { Age } from "../../ui/age.tsx";
import { ConfirmButton } from "../../ui/dialog.tsx";
import { Section } from "../../ui/page.tsx";
import { Complaint } from "../../ui/states.tsx";

/** Nodes that have joined and may not connect before somebody approves them. */
export function WaitingRoom({ nodes }: { readonly nodes: readonly Node[] }) {
  const waiting = nodes.filter(({ approval }) => approval !== null);
  if (waiting.length === 0) return null;
  return (
    <Section title="Waiting for an approval">
      <p className="faint">Compare each key with the one that the node itself shows before you approve it.</p>
      <ul className="cards">
        {waiting.map((node) => (
          <li key={node.id} className="card">
            <Waiting node={node} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Waiting({ node: { name, kind, site, approval, createdAt } }: { readonly node: Node }) {
  const mayOperate = useMayOperate();
  const [error, setError] = useState<unknown>();
  if (approval === null) return null;
  const params = { path: { node: name } };
  const approve = (): void => {
    setError(undefined);
    api
      .POST("/api/v1/nodes/{node}/approve", { params, body: { publicKey: approval.publicKey } })
      .catch((thrown: unknown) => setError(thrown));
  };
  return (
    <>
      <h3>
        {name} <span className="tag">{kind}</span>
      </h3>
      <p>
        {site}, from {approval.from}, joined <Age since={Date.parse(createdAt)} />
      </p>
      <p className="faint">
        Key <code className="wrap">{approval.publicKey}</code>
        <br />
        Rejected by itself at {new Date(approval.expiresAt).toLocaleString()}
      </p>
      {mayOperate && (
        <div className="controls">
          <button type="button" className="primary" onClick={approve}>
            Approve<span className="visually-hidden"> {name}</span>
          </button>
          <ConfirmButton
            label="Reject"
            title={`Reject ${name}?`}
            confirm="Reject"
            isDanger
            run={() => api.POST("/api/v1/nodes/{node}/reject", { params })}
          >
            <p>Its identity is void: the machine needs another token to join.</p>
          </ConfirmButton>
        </div>
      )}
      {error !== undefined && <Complaint error={error} />}
    </>
  );
}
