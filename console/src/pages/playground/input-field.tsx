import { useId, useState } from "react";
import type { InputValue } from "../../core/playground/given-inputs.ts";
import type { InputSpec } from "../../core/playground/playground-inputs.ts";
import { shapeText } from "../../core/playground/tensor-text.ts";
import { FileInput } from "./file-input.tsx";
import { ImageInput } from "./image-input.tsx";

/** One input as its form has it: a sheet to draw on, files, or what is typed. */
export function InputField({
  spec,
  value,
  asked,
  onChange,
  onDone,
}: {
  readonly spec: InputSpec;
  readonly value: InputValue;
  readonly asked: number;
  readonly onChange: (value: InputValue) => void;
  readonly onDone: () => void;
}) {
  const id = useId();
  const { form, text, files } = value;
  const [isTyped, setTyped] = useState(false);
  const title = `${spec.name}, ${spec.datatype} ${shapeText(spec.shape)}`;
  if (form.kind === "image" && !isTyped)
    return (
      <fieldset className="field">
        <legend>{title}</legend>
        <ImageInput
          form={form}
          datatype={spec.datatype}
          asked={asked}
          onPixels={(pixels) => onChange({ ...value, pixels })}
          onDone={onDone}
        />
        <button
          type="button"
          className="quiet"
          onClick={() => {
            setTyped(true);
            onChange({ ...value, pixels: undefined });
          }}
        >
          Type numbers instead
        </button>
      </fieldset>
    );
  if (files !== undefined)
    return (
      <fieldset className="field">
        <legend>{title}</legend>
        <FileInput
          label={spec.name}
          files={files}
          takesSeveral={spec.shape.includes(-1)}
          onFiles={(chosen) => onChange({ ...value, files: chosen })}
        />
        <button type="button" className="quiet" onClick={() => onChange({ ...value, files: undefined })}>
          Type a text instead
        </button>
      </fieldset>
    );
  return (
    <div className="field">
      <label htmlFor={id}>{title}</label>
      <textarea
        id={id}
        rows={form.kind === "text" ? 3 : 4}
        value={text}
        placeholder={form.kind === "text" ? "" : "numbers, separated by commas, or a JSON array; empty: zeros"}
        onChange={(event) => onChange({ ...value, text: event.target.value })}
      />
      {form.kind === "text" && (
        <button type="button" className="quiet" onClick={() => onChange({ ...value, files: [] })}>
          A file instead
        </button>
      )}
    </div>
  );
}
