import type { ModelVersion } from "../../api/types.ts";
import { agreementText, differenceText, REFERENCE } from "../../core/variants.ts";
import { bytesText, countOf } from "../../core/text/units.ts";

/** The graphs of which a node gets one, and how near each is to the reference. */
export function Variants({ variants }: { readonly variants: ModelVersion["variants"] }) {
  const samples = variants.find(({ accuracy }) => accuracy !== null)?.accuracy?.samples ?? 0;
  return (
    <>
      <div className="table">
        <table>
          <thead>
            <tr>
              <th scope="col">Variant</th>
              <th scope="col">Graph</th>
              <th scope="col" className="number">
                Size
              </th>
              <th scope="col" className="number">
                Opset
              </th>
              <th scope="col" className="number">
                Decides alike
              </th>
              <th scope="col" className="number">
                Largest difference
              </th>
            </tr>
          </thead>
          <tbody>
            {variants.map(({ name, main, bytes, opset, accuracy }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>
                  <code className="wrap">{main}</code>
                </td>
                <td className="number">{bytesText(bytes)}</td>
                <td className="number">{opset}</td>
                <td className="number">{accuracy === null ? "–" : agreementText(accuracy)}</td>
                <td className="number">{accuracy === null ? "–" : differenceText(accuracy)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="faint">
        Each was compared with the {REFERENCE} on {countOf(samples, "sample")} before the version was published. A node
        gets one of them, and only its files.
      </p>
    </>
  );
}
