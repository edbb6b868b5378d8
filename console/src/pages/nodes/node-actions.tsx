import { useState } from "react";
import { api } from "../../api/client.ts";
import type { Node } from "../../api/types.ts";
import { countOf } from "../../core/text/units.ts";
import { ConfirmButton } from "../../ui/dialog.tsx";
import { Complaint } from "../../ui/states.tsx";
import { RenameNode } from "./rename-node.tsx";

/** Cordon, uncordon, drain and rename. What moves models asks first. */
export function NodeActions({ node }: { readonly node: Node }) {
  const [error, setError] = useState<unknown>();
  const params = { params: { path: { node: node.name } } };
  const run = (call: () => Promise<unknown>) => async (): Promise<void> => {
    setError(undefined);
    await call().catch(setError);
  };
  return (
    <>
      {node.cordoned || node.draining ? (
        <button type="button" onClick={() => void run(() => api.POST("/api/v1/nodes/{node}/uncordon", params))()}>
          Uncordon
        </button>
      ) : (
        <button type="button" onClick={() => void run(() => api.POST("/api/v1/nodes/{node}/cordon", params))()}>
          Cordon
        </button>
      )}
      {!node.draining && (
        <ConfirmButton
          label="Drain"
          title={`Drain ${node.name}?`}
          confirm="Drain"
          run={() => api.POST("/api/v1/nodes/{node}/drain", params)}
        >
          <p>
            {node.placements.length === 0
              ? "It holds no model. It"
              : `${countOf(node.placements.length, "model")} of it must be ready elsewhere before it leaves. The node`}{" "}
            stays empty until it is uncordoned.
          </p>
        </ConfirmButton>
      )}
      <RenameNode node={node} />
      {error !== undefined && <Complaint error={error} />}
    </>
  );
}
