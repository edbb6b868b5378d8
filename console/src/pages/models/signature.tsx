import type { ModelVersion } from "../../api/types.ts";
import { shapeText } from "../../core/playground/tensor-text.ts";

/** What a version, or a part of it, takes and gives. */
export function Signature({ of: { inputs, outputs } }: { readonly of: Pick<ModelVersion, "inputs" | "outputs"> }) {
  const tensors = [
    ...inputs.map((tensor) => ({ side: "input", tensor })),
    ...outputs.map((tensor) => ({ side: "output", tensor })),
  ];
  return (
    <div className="table">
      <table>
        <thead>
          <tr>
            <th scope="col">Side</th>
            <th scope="col">Name</th>
            <th scope="col">Datatype</th>
            <th scope="col">Shape</th>
          </tr>
        </thead>
        <tbody>
          {tensors.map(({ side, tensor: { name, datatype, shape, parameters } }) => (
            <tr key={`${side} ${name}`}>
              <td>{side}</td>
              <th scope="row">
                <code>{name}</code>
                {parameters?.optional === true && <span className="tag">may be left out</span>}
              </th>
              <td>{datatype}</td>
              <td>{shapeText(shape)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
