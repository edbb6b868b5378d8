import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { Role } from "../../api/types.ts";
import { CopyText } from "../../ui/copy.tsx";
import { Panel } from "../../ui/dialog.tsx";
import { Complaint } from "../../ui/states.tsx";

const ROLES: Readonly<Record<Role, string>> = {
  viewer: "reads",
  operator: "changes what serves",
  admin: "also manages keys",
  application: "only calls its models",
};
const ROLE_NAMES = ["viewer", "operator", "admin", "application"] as const;

/** Makes a key, which is shown once. */
export function NewKeyDialog({ onClose }: { readonly onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [models, setModels] = useState("");
  const [days, setDays] = useState("90");
  const making = useMutation({
    mutationFn: () =>
      bodyOf(
        api.POST("/api/v1/api-keys", {
          body: {
            name,
            role,
            ...(role === "application" && { models: models.split(/[\s,]+/).filter(Boolean) }),
            ...(days !== "" && { ttlDays: Number(days) }),
          },
        }),
      ),
    onSuccess: () => client.invalidateQueries({ queryKey: ["keys"] }),
  });
  return (
    <Panel title="Make an API key" isOpen onClose={onClose}>
      {making.data ? (
        <>
          <p>
            The key of <strong>{making.data.name}</strong>. It is shown this once.
          </p>
          <CopyText label="The key" text={making.data.key} />
          <div className="actions">
            <button type="button" className="primary" onClick={onClose}>
              I have kept it
            </button>
          </div>
        </>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            making.mutate();
          }}
        >
          <label className="field">
            <span>Name</span>
            <input value={name} required maxLength={63} onChange={({ target }) => setName(target.value)} />
          </label>
          <fieldset className="field">
            <legend>Role</legend>
            {ROLE_NAMES.map((each) => (
              <label key={each} className="choice">
                <input type="radio" name="role" checked={role === each} onChange={() => setRole(each)} /> {each}:{" "}
                {ROLES[each]}
              </label>
            ))}
          </fieldset>
          {role === "application" && (
            <label className="field">
              <span>Models</span>
              <input value={models} placeholder="digits, detector" onChange={({ target }) => setModels(target.value)} />
            </label>
          )}
          <label className="field">
            <span>Good for how many days (empty: until it is revoked)</span>
            <input type="number" min={1} max={3650} value={days} onChange={({ target }) => setDays(target.value)} />
          </label>
          {making.isError && <Complaint error={making.error} />}
          <div className="actions">
            <button type="button" className="quiet" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" className="primary" disabled={making.isPending}>
              Make the key
            </button>
          </div>
        </form>
      )}
    </Panel>
  );
}
