import { useState } from "react";
import { api } from "../../api/client.ts";
import type { Node } from "../../api/types.ts";
import { Complaint } from "../../ui/states.tsx";
import { DrainButton } from "./drain-button.tsx";
import { RenameNode } from "./rename-node.tsx";

/** Cordon, uncordon, drain with or without a deadline, and rename. What moves models asks first. */
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
      <DrainButton node={node} />
      <RenameNode node={node} />
      {error !== undefined && <Complaint error={error} />}
    </>
  );
}
