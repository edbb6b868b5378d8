import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { curlOf, operationsOf, type OpenApi, type Operation } from "../../core/api-operations.ts";
import { matchesWords } from "../../core/text/text-filter.ts";
import { failureOf } from "../../api/failure.ts";
import { CopyText } from "../../ui/copy.tsx";
import { PageHead, Section } from "../../ui/page.tsx";
import { QueryState } from "../../ui/query-state.tsx";
import { Search } from "../../ui/search.tsx";
import { Empty } from "../../ui/states.tsx";

/** The API of this control plane, from its own OpenAPI document: right for this version, and without a network. */
export function ApiPage() {
  const { q = "" } = useSearch({ from: "/api-reference" });
  const navigate = useNavigate();
  const query = useQuery({ queryKey: ["openapi"], queryFn: readDocument, staleTime: Infinity });
  return (
    <>
      <PageHead
        title="API"
        sentence={
          <>
            Programs send <code>Authorization: Bearer sk_…</code>. The same as <a href="/openapi.json">OpenAPI 3.1</a>{" "}
            and <a href="/docs/api">one plain page</a>.
          </>
        }
      >
        <Search
          label="Search operations"
          value={q}
          onChange={(value) =>
            void navigate({ to: "/api-reference", search: value === "" ? {} : { q: value }, replace: true })
          }
        />
      </PageHead>
      <QueryState query={query}>{(document) => <Operations document={document} filter={q} />}</QueryState>
    </>
  );
}

async function readDocument(): Promise<OpenApi> {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw await failureOf(response);
  return (await response.json()) as OpenApi;
}

function Operations({ document, filter }: { readonly document: OpenApi; readonly filter: string }) {
  const shown = operationsOf(document).filter(({ method, path, summary = "", tag }) =>
    matchesWords(filter, [method, path, summary, tag]),
  );
  if (shown.length === 0) return <Empty title={`No operation matches “${filter}”`} />;
  return [...Map.groupBy(shown, ({ tag }) => tag)].map(([tag, group]) => (
    <Section key={tag} title={tag}>
      {group.map((operation) => (
        <OperationRow key={operation.operationId} operation={operation} />
      ))}
    </Section>
  ));
}

function OperationRow({ operation }: { readonly operation: Operation }) {
  const [isOpen, setOpen] = useState(false);
  const { method, path, summary, description } = operation;
  return (
    <details className="operation" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <span className={`method ${method.toLowerCase()}`}>{method}</span> <code>{path}</code> <span>{summary}</span>
      </summary>
      {isOpen && (
        <>
          {description !== undefined && <p className="faint">{description}</p>}
          <Parameters operation={operation} />
          <Body title="Body" content={operation.requestBody?.content} />
          {Object.entries(operation.responses).map(([status, { content }]) => (
            <Body key={status} title={`Answer ${status}`} content={content} />
          ))}
          <CopyText label={`curl for ${method} ${path}`} text={curlOf(operation, location.origin)} />
        </>
      )}
    </details>
  );
}

function Parameters({ operation: { parameters = [] } }: { readonly operation: Operation }) {
  if (parameters.length === 0) return null;
  return (
    <dl className="facts">
      {parameters.map(({ name, in: place, required, description }) => (
        <div key={`${place} ${name}`} className="row">
          <dt>
            <code>{name}</code>
          </dt>
          <dd>
            {place}
            {required === true && ", required"}
            {description !== undefined && `. ${description}`}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Body({
  title,
  content = {},
}: {
  readonly title: string;
  readonly content: Readonly<Record<string, { readonly schema?: unknown }>> | undefined;
}) {
  const [entry] = Object.entries(content);
  if (entry === undefined) return null;
  const [type, { schema }] = entry;
  return (
    <details>
      <summary>
        {title}: <code>{type}</code>
      </summary>
      <pre tabIndex={0} aria-label={title}>
        {JSON.stringify(schema, null, 2)}
      </pre>
    </details>
  );
}
