import { useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { api } from "../../api/client.ts";
import type { Model } from "../../api/types.ts";
import { ConfirmButton } from "../../ui/dialog.tsx";

/** Lets an alias name this version: deployments that ask for the alias follow. */
export function MoveAlias({ model, version }: { readonly model: Model; readonly version: number }) {
  const [alias, setAlias] = useState(Object.keys(model.aliases)[0] ?? "champion");
  const queries = useQueryClient();
  const id = useId();
  const move = async (): Promise<void> => {
    await api.PUT("/api/v1/models/{model}/aliases/{alias}", {
      params: { path: { model: model.name, alias } },
      body: { version },
    });
    await queries.invalidateQueries({ queryKey: ["models"] });
  };
  const now = model.aliases[alias];
  return (
    <ConfirmButton
      label="Alias"
      title={`An alias for ${model.name}:${version}`}
      confirm={now === undefined ? "Set" : "Move"}
      run={move}
    >
      <label className="field" htmlFor={id}>
        <span>Alias</span>
        <input
          id={id}
          type="text"
          list={`${id}-known`}
          value={alias}
          onChange={(event) => setAlias(event.target.value)}
        />
        <datalist id={`${id}-known`}>
          {Object.keys(model.aliases).map((known) => (
            <option key={known} value={known}>
              {known}
            </option>
          ))}
        </datalist>
      </label>
      <p>
        {now === undefined
          ? "It names no version yet."
          : `It names version ${now} now. Deployments that ask for ${alias} move to version ${version}.`}
      </p>
    </ConfirmButton>
  );
}
