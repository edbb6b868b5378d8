import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useId, useRef, useState } from "react";
import { isModelName, modelNameOf } from "../../core/model-name.ts";
import { bytesText, countOf, percentOf } from "../../core/text/units.ts";
import { Complaint, Loading } from "../../ui/states.tsx";
import { Meter } from "../../ui/status.tsx";
import { DeployDialog } from "../deployments/deploy-dialog.tsx";
import type { Chosen } from "../../upload/chosen-files.ts";
import { publish, type Publication, type PublishState } from "../../upload/publish.ts";
import { recognise } from "../../upload/recognise.ts";
import type { RecogniseAnswer } from "../../upload/recognise-worker.ts";

/** What was chosen: looked into first, then published under a name, or refused with the reason and what to do. */
export function Publishing({
  chosen,
  model,
  onClose,
}: {
  readonly chosen: Chosen;
  readonly model: string | undefined;
  readonly onClose: () => void;
}) {
  const [main, setMain] = useState<string>();
  const id = useId();
  const looking = useQuery({
    queryKey: ["recognise", id, main],
    queryFn: () => recognise(chosen, main),
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
  });
  const answer: RecogniseAnswer | undefined = looking.isError
    ? { kind: "failed", why: looking.error.message }
    : looking.data;
  if (answer === undefined) return <Loading />;
  if (answer.kind !== "found") return <Refused chosen={chosen} answer={answer} onMain={setMain} onClose={onClose} />;
  const { runtime, main: graph, files, notes, name } = answer.model;
  const byPath = new Map(chosen.files.map(({ path, file }) => [path, file]));
  const publication: Publication = {
    runtime,
    main: graph,
    files: files.flatMap(({ source, path }) => {
      const file = byPath.get(source);
      return file === undefined ? [] : [{ path, file }];
    }),
  };
  return (
    <PublishForm
      publication={publication}
      title={chosen.name}
      notes={notes}
      suggested={model ?? modelNameOf(name ?? chosen.name)}
      isNameFixed={model !== undefined}
      onClose={onClose}
    />
  );
}

/** Not a model as it is. With several graphs one is chosen. */
function Refused({
  chosen,
  answer,
  onMain,
  onClose,
}: {
  readonly chosen: Chosen;
  readonly answer: Exclude<RecogniseAnswer, { readonly kind: "found" }>;
  readonly onMain: (path: string) => void;
  readonly onClose: () => void;
}) {
  const id = useId();
  const graphs = chosen.isFolder ? chosen.files.map(({ path }) => path).filter((path) => path.endsWith(".onnx")) : [];
  return (
    <div className="drop">
      <div role="alert" className="note warn">
        <p>
          <strong>{answer.kind === "unfit" ? answer.what : `${chosen.name} cannot be read`}</strong>: {answer.why}
        </p>
        {answer.kind === "unfit" && <p>{answer.fix}</p>}
      </div>
      {graphs.length > 1 && (
        <label className="field" htmlFor={id}>
          <span>Graph to publish</span>
          <select id={id} value="" onChange={(event) => onMain(event.target.value)}>
            <option value="">–</option>
            {graphs.map((path) => (
              <option key={path}>{path}</option>
            ))}
          </select>
        </label>
      )}
      <div className="actions">
        <button type="button" className="quiet" onClick={onClose}>
          Cancel
        </button>
      </div>
    </div>
  );
}

function PublishForm({
  publication,
  title,
  notes,
  suggested,
  isNameFixed,
  onClose,
}: {
  readonly publication: Publication;
  readonly title: string;
  readonly notes: readonly string[];
  readonly suggested: string;
  readonly isNameFixed: boolean;
  readonly onClose: () => void;
}) {
  const [name, setName] = useState(suggested);
  const bytes = publication.files.reduce((sum, { file }) => sum + file.size, 0);
  const [state, setState] = useState<PublishState>();
  const [error, setError] = useState<unknown>();
  const queries = useQueryClient();
  const running = useRef<AbortController | undefined>(undefined);
  const id = useId();
  useEffect(() => () => running.current?.abort(), []);
  const begin = async (): Promise<void> => {
    const controller = new AbortController();
    running.current = controller;
    setError(undefined);
    setState({ kind: "hashing", done: 0, bytes, note: "" });
    try {
      await publish(publication, name, { onState: setState, signal: controller.signal });
    } catch (thrown) {
      if (!controller.signal.aborted) setError(thrown);
      setState(undefined);
    }
    await queries.invalidateQueries({ queryKey: ["models"] });
  };
  const isDone =
    state !== undefined && state.kind !== "hashing" && state.kind !== "sending" && state.kind !== "checking";
  return (
    <form
      className="drop"
      aria-label="Upload"
      onSubmit={(event) => {
        event.preventDefault();
        void begin();
      }}
    >
      <p>
        <strong>{title}</strong>, {countOf(publication.files.length, "file")}, {bytesText(bytes)}
      </p>
      {notes.map((note) => (
        <p key={note} className="faint">
          {note}
        </p>
      ))}
      {state === undefined && (
        <label className="field" htmlFor={id}>
          <span>Model that it is a version of</span>
          <input
            id={id}
            type="text"
            value={name}
            readOnly={isNameFixed}
            aria-invalid={!isModelName(name)}
            onChange={(event) => setName(event.target.value)}
          />
        </label>
      )}
      {state !== undefined && <Progress state={state} name={name} />}
      {error !== undefined && <Complaint error={error} />}
      <div className="actions">
        <button type="button" className="quiet" onClick={onClose}>
          {isDone ? "Close" : "Cancel"}
        </button>
        {state === undefined && (
          <button type="submit" className="primary" disabled={!isModelName(name)}>
            {error === undefined ? "Publish" : "Go on"}
          </button>
        )}
      </div>
    </form>
  );
}

function Progress({ state, name }: { readonly state: PublishState; readonly name: string }) {
  switch (state.kind) {
    case "hashing":
    case "sending": {
      const verb = state.kind === "hashing" ? "hashed" : "sent";
      return (
        <div role="status" aria-live="off">
          <Meter
            value={percentOf(state.done, state.bytes)}
            label={`${bytesText(state.done)} of ${bytesText(state.bytes)} ${verb}`}
            tone="busy"
          />
          {state.note !== "" && <p className="faint">{state.note}</p>}
        </div>
      );
    }
    case "checking":
      return (
        <p role="status">
          {name}:{state.version} is being checked.
        </p>
      );
    case "rejected":
      return (
        <p role="alert" className="note warn">
          {name}:{state.version} was rejected: {state.why}
        </p>
      );
    case "ready":
    case "there":
      return <Published model={name} version={state.version} isNew={state.kind === "ready"} />;
  }
}

function Published({
  model,
  version,
  isNew,
}: {
  readonly model: string;
  readonly version: number;
  readonly isNew: boolean;
}) {
  const [isDeploying, setDeploying] = useState(false);
  return (
    <>
      <p role="status" className="note good">
        <Link to="/models/$model" params={{ model }} search={{ version }}>
          {model}:{version}
        </Link>{" "}
        {isNew ? "is ready." : "has these files already."}
      </p>
      <button type="button" onClick={() => setDeploying(true)}>
        Deploy it
      </button>
      {isDeploying && <DeployDialog model={model} version={version} onClose={() => setDeploying(false)} />}
    </>
  );
}
