import { useId } from "react";
import { useNodes } from "../../live/lists.ts";

/** Any node, as for every caller, or one of those that serve the model. */
export function NodeChoice({
  model,
  node,
  onChange,
}: {
  readonly model: string;
  readonly node: string | undefined;
  readonly onChange: (node: string | undefined) => void;
}) {
  const nodes = useNodes();
  const id = useId();
  const serving = nodes.rows
    .filter(({ item }) => item.placements.some((each) => each.model === model && each.state === "ready"))
    .map(({ item }) => item.name);
  const names = node === undefined || serving.includes(node) ? serving : [node, ...serving];
  return (
    <label className="field inline" htmlFor={id}>
      <span>Node</span>
      <select id={id} value={node ?? ""} onChange={(event) => onChange(event.target.value || undefined)}>
        <option value="">Skerry chooses</option>
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}
