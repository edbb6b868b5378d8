import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type DragEvent, useEffect, useId, useRef, useState } from "react";
import { isModelName, modelNameOf } from "../../core/model-name.ts";
import { bytesText, percentOf } from "../../core/text/units.ts";
import { Complaint } from "../../ui/states.tsx";
import { Meter } from "../../ui/status.tsx";
import { publish, type PublishState } from "../../upload/publish.ts";

/** An ONNX file is dropped or chosen, given a model, and sent; a broken connection goes on where it stopped. */
export function UploadDrop({ model }: { readonly model?: string }) {
  const [file, setFile] = useState<File>();
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    setFile(event.dataTransfer.files[0]);
  };
  if (file !== undefined)
    return (
      <Publishing key={`${file.name} ${file.size}`} file={file} model={model} onClose={() => setFile(undefined)} />
    );
  return (
    <div
      className={isOver ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <p>
        Drop an ONNX file here{model === undefined ? "" : `, and it becomes the next version of ${model}`}, or{" "}
        <button type="button" onClick={() => input.current?.click()}>
          choose one
        </button>
      </p>
      <p className="faint">
        Folders, external data, GGUF files and checks against samples: <code>skerry models push</code>
      </p>
      <input
        ref={input}
        type="file"
        accept=".onnx"
        hidden
        aria-label="ONNX file"
        onChange={(event) => setFile(event.target.files?.[0])}
      />
    </div>
  );
}

function Publishing({
  file,
  model,
  onClose,
}: {
  readonly file: File;
  readonly model: string | undefined;
  readonly onClose: () => void;
}) {
  const [name, setName] = useState(model ?? modelNameOf(file.name));
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
    setState({ kind: "hashing", done: 0, bytes: file.size, note: "" });
    try {
      await publish(file, name, { onState: setState, signal: controller.signal });
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
        <strong>{file.name}</strong>, {bytesText(file.size)}
      </p>
      {state === undefined && (
        <label className="field" htmlFor={id}>
          <span>Model that it is a version of</span>
          <input
            id={id}
            type="text"
            value={name}
            readOnly={model !== undefined}
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
      return (
        <p role="status" className="note good">
          <Link to="/models/$model" params={{ model: name }} search={{ version: state.version }}>
            {name}:{state.version}
          </Link>{" "}
          {state.kind === "ready" ? "is ready." : "is this file already."}
        </p>
      );
  }
}
