import { useRef, useState } from "react";
import type { GivenFile } from "../../core/playground/given-inputs.ts";
import { bytesText } from "../../core/text/units.ts";
import { Complaint } from "../../ui/states.tsx";

/** The default bound of a control plane for a body, which refuses what is larger, too. */
const MOST_BYTES = 64 * 1_048_576;

/** Files that are dropped or chosen, an element of the input each. */
export function FileInput({
  label,
  files,
  takesSeveral,
  onFiles,
}: {
  readonly label: string;
  readonly files: readonly GivenFile[];
  readonly takesSeveral: boolean;
  readonly onFiles: (files: readonly GivenFile[]) => void;
}) {
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const [error, setError] = useState<unknown>();
  const take = (chosen: FileList | null): void => {
    setError(undefined);
    read([...(chosen ?? [])].slice(0, takesSeveral ? undefined : 1)).then(onFiles, setError);
  };
  return (
    <div
      className={isOver ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        // What was chosen before is not what is asked now, and must be a change when it is chosen again.
        if (input.current) input.current.value = "";
        take(event.dataTransfer.files);
      }}
    >
      <label className="field">
        <span>{takesSeveral ? "Drop files here, or choose them" : "Drop a file here, or choose it"}</span>
        <input
          ref={input}
          type="file"
          multiple={takesSeveral}
          aria-label={`${takesSeveral ? "Files" : "File"} of ${label}`}
          onChange={({ target }) => take(target.files)}
        />
      </label>
      {files.length > 0 && (
        <p role="status">{files.map(({ name, bytes }) => `${name}, ${bytesText(bytes.byteLength)}`).join(" · ")}</p>
      )}
      {error !== undefined && <Complaint error={error} />}
    </div>
  );
}

async function read(files: readonly File[]): Promise<readonly GivenFile[]> {
  const sum = files.reduce((bytes, { size }) => bytes + size, 0);
  if (sum > MOST_BYTES)
    throw new Error(`these files have ${bytesText(sum)}; a request takes ${bytesText(MOST_BYTES)} in all`);
  return Promise.all(files.map(async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })));
}
