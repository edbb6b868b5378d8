import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useId } from "react";
import { api, bodyOf } from "../../api/client.ts";
import type { ModelVersion } from "../../api/types.ts";
import { shapeText } from "../../core/playground/tensor-text.ts";
import { Section } from "../../ui/page.tsx";
import { PlacementTable } from "../../ui/placement-table.tsx";
import { QueryState } from "../../ui/query-state.tsx";
import { Status } from "../../ui/status.tsx";
import { PipelineFacts } from "./pipeline-facts.tsx";
import { Signature } from "./signature.tsx";
import { Variants } from "./variants.tsx";

/** One version: what it takes and gives, what differs from another, where it runs. */
export function VersionPanel({
  version,
  others,
  against,
  onAgainst,
}: {
  readonly version: ModelVersion;
  readonly others: readonly ModelVersion[];
  readonly against: number | undefined;
  readonly onAgainst: (version: number | undefined) => void;
}) {
  const id = useId();
  const name = `${version.model}:${version.version}`;
  return (
    <>
      <Section title={`Signature of ${name}`}>
        {version.inputs.length + version.outputs.length === 0 ? (
          <p className="faint">{NO_TENSORS[version.state]}</p>
        ) : (
          <Signature of={version} />
        )}
        {others.length > 0 && version.state === "ready" && (
          <label className="field inline" htmlFor={id}>
            <span>Compare with version</span>
            <select
              id={id}
              value={against ?? ""}
              onChange={(event) => onAgainst(event.target.value === "" ? undefined : Number(event.target.value))}
            >
              <option value="">–</option>
              {others.map((other) => (
                <option key={other.version} value={other.version}>
                  {other.version}
                </option>
              ))}
            </select>
          </label>
        )}
        {against !== undefined && <Difference model={version.model} from={against} to={version.version} />}
      </Section>
      {version.pipeline !== null && (
        <Section title={`Pipeline of ${name}`}>
          <PipelineFacts of={version.pipeline} />
        </Section>
      )}
      {version.variants.length > 0 && (
        <Section title={`Variants of ${name}`}>
          <Variants variants={version.variants} />
        </Section>
      )}
      <Section title={`Where ${name} runs`}>
        <Placements version={version} />
      </Section>
      <Section title="Details">
        <dl className="facts">
          <dt>Digest</dt>
          <dd>
            <code>{version.digest}</code>
          </dd>
          {version.producer !== null && (
            <>
              <dt>Producer</dt>
              <dd>{version.producer}</dd>
            </>
          )}
          <dt>Requests share runs</dt>
          <dd>{rowsText(version)}</dd>
          {Object.entries(version.metrics).map(([metric, value]) => (
            <Fact key={metric} name={metric} value={String(value)} />
          ))}
          {Object.entries(version.labels).map(([label, value]) => (
            <Fact key={label} name={label} value={value} />
          ))}
        </dl>
        {version.notes.map((note) => (
          <p key={note} className="note">
            {note}
          </p>
        ))}
      </Section>
    </>
  );
}

const Fact = ({ name, value }: { readonly name: string; readonly value: string }) => (
  <>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </>
);

const rowsText = ({ rows }: ModelVersion): string =>
  rows === null ? "not proven" : rows.kind === "independent" ? "yes: its rows are independent" : `no: ${rows.reason}`;

const NO_TENSORS: Readonly<Record<ModelVersion["state"], string>> = {
  ready: "It takes no tensors: it is asked for text.",
  archived: "It takes no tensors: it is asked for text.",
  rejected: "None: the version was refused.",
  uploading: "Known after the check.",
  checking: "Known after the check.",
};

function Difference({ model, from, to }: { readonly model: string; readonly from: number; readonly to: number }) {
  const query = useQuery({
    queryKey: ["models", model, "diff", from, to],
    queryFn: () =>
      bodyOf(
        api.GET("/api/v1/models/{model}/versions/{version}/diff/{other}", {
          params: { path: { model, version: String(from), other: String(to) } },
        }),
      ),
  });
  return (
    <QueryState query={query}>
      {({ compatible, sentence, inputs, outputs }) => (
        <div className={compatible ? "note good" : "note warn"} role="status">
          <Status tone={compatible ? "good" : "warn"}>
            {compatible ? "Callers notice nothing" : "Callers notice"}
          </Status>
          <p>{sentence}</p>
          <ul>
            {[
              ...inputs.map((change) => ({ side: "input", change })),
              ...outputs.map((change) => ({ side: "output", change })),
            ].map(({ side, change: { name, change, from: before, to: after } }) => (
              <li key={`${side} ${name}`}>
                {side} <code>{name}</code> {change}
                {before &&
                  after &&
                  `: ${before.datatype} ${shapeText(before.shape)} → ${after.datatype} ${shapeText(after.shape)}`}
              </li>
            ))}
          </ul>
        </div>
      )}
    </QueryState>
  );
}

function Placements({ version: { model, version } }: { readonly version: ModelVersion }) {
  const query = useQuery({
    queryKey: ["models", model, "placements", version],
    queryFn: async () => {
      const { items } = await bodyOf(
        api.GET("/api/v1/models/{model}/versions/{version}/placements", {
          params: { path: { model, version: String(version) }, query: { limit: 500 } },
        }),
      );
      return { items, at: Date.now() };
    },
    refetchInterval: 2_000,
  });
  return (
    <QueryState query={query}>
      {({ items, at }) => (
        <PlacementTable
          items={items}
          at={at}
          of={{
            title: "Deployment",
            cell: ({ deployment }) => (
              <Link to="/deployments/$deployment" params={{ deployment }}>
                {deployment}
              </Link>
            ),
          }}
        />
      )}
    </QueryState>
  );
}
