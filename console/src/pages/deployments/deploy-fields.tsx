import { useQuery } from "@tanstack/react-query";
import { api, bodyOf } from "../../api/client.ts";
import type { DeployForm } from "../../core/deployments/deploy-form.ts";
import { readPages } from "../models/read-pages.ts";

const MOST = 10_000;

/** The fields of a deployment: which version, and how many replicas where. */
export function DeployFields({
  form,
  onChange,
  isNew,
  isModelFixed,
}: {
  readonly form: DeployForm;
  readonly onChange: (form: DeployForm) => void;
  readonly isNew: boolean;
  readonly isModelFixed: boolean;
}) {
  return (
    <>
      {!isModelFixed && (
        <ModelField model={form.model} onChange={(model) => onChange({ ...form, model, name: model, version: "" })} />
      )}
      <VersionField form={form} onChange={(version) => onChange({ ...form, version })} />
      {isNew && (
        <label className="field">
          <span>Name of the deployment</span>
          <input
            value={form.name}
            required
            pattern="[a-z0-9][a-z0-9._\-]*"
            maxLength={63}
            onChange={({ target }) => onChange({ ...form, name: target.value })}
          />
        </label>
      )}
      <table className="replica-fields">
        <thead>
          <tr>
            <th scope="col">Replicas</th>
            <th scope="col">Least</th>
            <th scope="col">Most, with demand</th>
            <th scope="col">On every node</th>
          </tr>
        </thead>
        <tbody>
          <Replicas kind="edge" of={form.edge} onChange={(edge) => onChange({ ...form, edge })} />
          <Replicas kind="cloud" of={form.cloud} onChange={(cloud) => onChange({ ...form, cloud })} />
        </tbody>
      </table>
      <label className="field">
        <span>Only on nodes with labels</span>
        <input
          value={form.labels}
          placeholder="gpu=true, hall=north"
          onChange={({ target }) => onChange({ ...form, labels: target.value })}
        />
      </label>
    </>
  );
}

/** The least and the most. With another most their number follows demand. */
function Replicas({
  kind,
  of: { min, max, every },
  onChange,
}: {
  readonly kind: "edge" | "cloud";
  readonly of: DeployForm["edge"];
  readonly onChange: (of: DeployForm["edge"]) => void;
}) {
  return (
    <tr>
      <th scope="row">{kind}</th>
      <td>
        <input
          type="number"
          min={0}
          max={MOST}
          value={min}
          disabled={every}
          aria-label={`Least ${kind} replicas`}
          onChange={({ target }) => onChange({ min: Number(target.value), max, every })}
        />
      </td>
      <td>
        <input
          type="number"
          min={min}
          max={MOST}
          value={max ?? ""}
          placeholder={String(min)}
          disabled={every}
          aria-label={`Most ${kind} replicas`}
          onChange={({ target }) =>
            onChange({ min, every, max: target.value === "" ? undefined : Number(target.value) })
          }
        />
      </td>
      <td>
        <input
          type="checkbox"
          checked={every}
          aria-label={`On every ${kind} node`}
          onChange={({ target }) => onChange({ min, max, every: target.checked })}
        />
      </td>
    </tr>
  );
}

function ModelField({ model, onChange }: { readonly model: string; readonly onChange: (model: string) => void }) {
  const models = useQuery({
    queryKey: ["models"],
    queryFn: () =>
      readPages((cursor) =>
        bodyOf(api.GET("/api/v1/models", { params: { query: { limit: 500, ...(cursor && { cursor }) } } })),
      ),
  });
  return (
    <label className="field">
      <span>Model</span>
      <select value={model} required onChange={({ target }) => onChange(target.value)}>
        <option value="">–</option>
        {models.data?.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

/** Aliases first: with one of them the deployment follows where the alias moves. */
function VersionField({
  form: { model, version },
  onChange,
}: {
  readonly form: DeployForm;
  readonly onChange: (version: string) => void;
}) {
  const found = useQuery({
    queryKey: ["versions to deploy", model],
    queryFn: async () => {
      const path = { model };
      const [{ aliases }, versions] = await Promise.all([
        bodyOf(api.GET("/api/v1/models/{model}", { params: { path } })),
        readPages((cursor) =>
          bodyOf(
            api.GET("/api/v1/models/{model}/versions", {
              params: { path, query: { limit: 500, ...(cursor && { cursor }) } },
            }),
          ),
        ),
      ]);
      const ready = versions.filter(({ state }) => state === "ready").map((each) => each.version);
      return { aliases: Object.entries(aliases), ready: ready.toSorted((a, b) => b - a) };
    },
    enabled: model !== "",
  });
  const isNone = found.data?.ready.length === 0;
  return (
    <label className="field">
      <span>Version</span>
      <select value={version} required onChange={({ target }) => onChange(target.value)}>
        <option value="">{isNone ? "no version is ready" : "–"}</option>
        {found.data?.aliases.map(([alias, at]) => (
          <option key={alias} value={alias}>
            {alias} (now version {at})
          </option>
        ))}
        {found.data?.ready.map((each) => (
          <option key={each} value={String(each)}>
            version {each}
          </option>
        ))}
      </select>
    </label>
  );
}
