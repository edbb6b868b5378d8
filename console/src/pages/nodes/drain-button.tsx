import { useId, useState } from "react";
import { api } from "../../api/client.ts";
import type { Node } from "../../api/types.ts";
import { DRAIN_UNITS, type DrainForm, drainBody, isDrainUnit, mostOf, NO_DEADLINE } from "../../core/fleet/drain.ts";
import { countOf } from "../../core/text/units.ts";
import { ConfirmButton } from "../../ui/dialog.tsx";

/** Drains a node, with a deadline or without. Of a node that drains already it changes the deadline. */
export function DrainButton({ node }: { readonly node: Node }) {
  const [form, setForm] = useState(NO_DEADLINE);
  const isRemoving = form.amount !== "" && form.atDeadline === "remove";
  return (
    <ConfirmButton
      label={node.draining ? "Change deadline" : "Drain"}
      title={node.draining ? `Deadline of the drain of ${node.name}` : `Drain ${node.name}?`}
      confirm={node.draining ? "Change" : "Drain"}
      isDanger={isRemoving}
      onOpen={() => setForm(NO_DEADLINE)}
      run={() =>
        api.POST("/api/v1/nodes/{node}/drain", { params: { path: { node: node.name } }, body: drainBody(form) })
      }
    >
      <p>{node.draining ? "It takes the place of the deadline before, counted from now." : whatHappens(node)}</p>
      <DeadlineFields form={form} onForm={setForm} />
    </ConfirmButton>
  );
}

const whatHappens = ({ placements }: Node): string =>
  placements.length === 0
    ? "It holds no model. It stays empty until it is uncordoned."
    : `${countOf(placements.length, "model")} of it must be ready elsewhere before ${placements.length === 1 ? "it leaves" : "they leave"}. One that no other node takes stays and serves. The node stays empty until it is uncordoned.`;

function DeadlineFields({ form, onForm }: { readonly form: DrainForm; readonly onForm: (form: DrainForm) => void }) {
  const id = useId();
  const hasDeadline = form.amount !== "";
  return (
    <>
      <div className="field">
        <label htmlFor={id}>Empty within (no deadline unless you say one)</label>
        <div className="amount">
          <input
            id={id}
            type="number"
            min={1}
            max={mostOf(form.unit)}
            step={1}
            value={form.amount}
            onChange={({ target }) => onForm({ ...form, amount: target.value })}
          />
          <select
            aria-label="Unit of the deadline"
            value={form.unit}
            onChange={({ target }) => isDrainUnit(target.value) && onForm({ ...form, unit: target.value })}
          >
            {Object.keys(DRAIN_UNITS).map((unit) => (
              <option key={unit}>{unit}</option>
            ))}
          </select>
        </div>
      </div>
      <fieldset className="field" disabled={!hasDeadline}>
        <legend>What is left at the deadline</legend>
        <label className="choice">
          <input
            type="radio"
            name={`${id}-end`}
            checked={form.atDeadline === "wait"}
            onChange={() => onForm({ ...form, atDeadline: "wait" })}
          />{" "}
          stays and serves: the drain goes on as overdue, and an event names it
        </label>
        <label className="choice">
          <input
            type="radio"
            name={`${id}-end`}
            checked={form.atDeadline === "remove"}
            onChange={() => onForm({ ...form, atDeadline: "remove" })}
          />{" "}
          is removed, also where nothing takes its place
        </label>
      </fieldset>
    </>
  );
}
