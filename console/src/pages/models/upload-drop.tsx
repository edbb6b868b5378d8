import { type DragEvent, useRef, useState } from "react";
import { Complaint } from "../../ui/states.tsx";
import { type Chosen, chosenBy, droppedIn } from "../../upload/chosen-files.ts";
import { Publishing } from "./publishing.tsx";

/** A file or a folder is dropped or chosen, given a model, and sent; a broken connection goes on where it stopped. */
export function UploadDrop({ model }: { readonly model?: string }) {
  const [chosen, setChosen] = useState<Chosen>();
  const [error, setError] = useState<unknown>();
  const [isOver, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    setError(undefined);
    droppedIn(event.dataTransfer).then(setChosen, setError);
  };
  if (chosen !== undefined)
    return (
      <Publishing
        key={`${chosen.name} ${chosen.files.map(({ path, file }) => `${path} ${file.size}`).join(" ")}`}
        chosen={chosen}
        model={model}
        onClose={() => setChosen(undefined)}
      />
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
        Drop a model here, an ONNX or GGUF file or the folder of one
        {model === undefined ? "" : `, and it becomes the next version of ${model}`}, or{" "}
        <button type="button" onClick={() => files.current?.click()}>
          choose files
        </button>{" "}
        <button type="button" onClick={() => folder.current?.click()}>
          choose a folder
        </button>
      </p>
      <p className="faint">
        Checks against samples and signatures: <code>skerry models push</code>
      </p>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        aria-label="Files of a model"
        onChange={(event) => setChosen(chosenBy(event.target.files))}
      />
      <input
        ref={folder}
        type="file"
        // Its property is known to browsers, its attribute not to React's types.
        {...{ webkitdirectory: "" }}
        hidden
        aria-label="Folder of a model"
        onChange={(event) => setChosen(chosenBy(event.target.files))}
      />
      {error !== undefined && <Complaint error={error} />}
    </div>
  );
}
