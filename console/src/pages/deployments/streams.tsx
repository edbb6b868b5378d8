import type { Deployment } from "../../api/types.ts";
import { countOf } from "../../core/text/units.ts";
import { useNodes } from "../../live/lists.ts";
import { useLoads } from "../../live/loads.ts";
import { Section } from "../../ui/page.tsx";
import { StreamTable } from "../../ui/stream-table.tsx";

/** Loads are asked for every few seconds, and more rows than this nobody reads. */
const MAX_NODES = 50;

/** What each node has done for the streams that a deployment declares. Nothing where it declares none. */
export function Streams({ deployment: { name, spec } }: { readonly deployment: Deployment }) {
  return spec.streams === undefined || spec.streams.length === 0 ? null : (
    <Section title="Streams">
      <Reported deployment={name} />
    </Section>
  );
}

function Reported({ deployment }: { readonly deployment: string }) {
  const { rows } = useNodes();
  const holders = rows
    .map(({ item }) => item)
    .filter(({ placements }) => placements.some((each) => each.deployment === deployment));
  const names = holders.slice(0, MAX_NODES).map(({ name }) => name);
  const loads = useLoads(names);
  const reported = names.flatMap((node) =>
    (loads.get(node)?.load?.streams ?? [])
      .filter((each) => each.deployment === deployment)
      .map((each) => ({ ...each, node })),
  );
  return (
    <>
      {reported.length === 0 ? (
        <p className="faint">No node has reported on them yet: it takes a few seconds after a replica is ready.</p>
      ) : (
        <StreamTable rows={reported} />
      )}
      {holders.length > MAX_NODES && (
        <p className="faint">
          And {countOf(holders.length - MAX_NODES, "node")} more: each shows its streams on its own page.
        </p>
      )}
    </>
  );
}
