import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Node } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { layoutTopology, nodeAt } from "../../core/fleet/topology-layout.ts";
import { stateOfNode, toneOfNode } from "../../core/fleet/tone.ts";
import { countOf } from "../../core/text/units.ts";
import { useDeployments, useNodes } from "../../live/lists.ts";
import { useLoads } from "../../live/loads.ts";
import { PageHead } from "../../ui/page.tsx";
import { LiveState } from "../../ui/query-state.tsx";
import { NoNodes } from "../../ui/nothing-yet.tsx";
import { Status } from "../../ui/status.tsx";
import { drawTopology } from "./draw-topology.ts";

/** Loads of larger fleets are asked for one node at a time, under the pointer: all of them would be a MiB every few seconds. */
const MAX_LOADS = 100;

/** The fleet as a live map: sites, their nodes, and what each holds. */
export function TopologyPage() {
  const nodes = useNodes();
  const deployments = useDeployments();
  const { deployment } = useSearch({ from: "/topology" });
  const navigate = useNavigate();
  const mayOperate = useMayOperate();
  return (
    <>
      <PageHead
        title="Topology"
        sentence={nodes.isWhole ? `${countOf(nodes.rows.length, "node")}, by site` : undefined}
      >
        <label className="field inline">
          <span>Where runs</span>
          <select
            value={deployment ?? ""}
            onChange={({ target }) =>
              void navigate({
                to: "/topology",
                search: target.value === "" ? {} : { deployment: target.value },
                replace: true,
              })
            }
          >
            <option value="">everything</option>
            {deployments.rows.map(({ item }) => (
              <option key={item.name}>{item.name}</option>
            ))}
          </select>
        </label>
      </PageHead>
      <LiveState list={nodes}>
        {({ rows }) =>
          rows.length === 0 ? (
            <NoNodes mayOperate={mayOperate} />
          ) : (
            <FleetMap nodes={rows.map(({ item }) => item)} deployment={deployment} />
          )
        }
      </LiveState>
    </>
  );
}

function FleetMap({ nodes, deployment }: { readonly nodes: readonly Node[]; readonly deployment: string | undefined }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const navigate = useNavigate();
  const [width, setWidth] = useState(0);
  const [hover, setHover] = useState<{ readonly name: string; readonly x: number; readonly y: number }>();
  const topology = useMemo(() => layoutTopology(nodes, Math.max(200, width)), [nodes, width]);
  const asked = nodes.length <= MAX_LOADS ? nodes.map(({ name }) => name) : hover ? [hover.name] : [];
  const loads = useLoads(asked);
  useEffect(() => {
    if (!box.current) return undefined;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const draw = (): void => {
      if (!canvas.current || width === 0) return;
      drawTopology(canvas.current, {
        topology,
        deployment,
        hovered: hover?.name,
        factsOf: (name) => ({ cpuPct: loads.get(name)?.load?.cpuPct, rttMs: loads.get(name)?.load?.rttMs }),
      });
    };
    const frame = requestAnimationFrame(draw);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    const themes = new MutationObserver(draw);
    themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      cancelAnimationFrame(frame);
      scheme.removeEventListener("change", draw);
      themes.disconnect();
    };
  }, [topology, width, deployment, hover, loads]);
  const hovered = hover && nodes.find(({ name }) => name === hover.name);
  return (
    <>
      <div ref={box} className="map">
        <canvas
          ref={canvas}
          style={{ height: topology.height }}
          aria-hidden="true"
          onPointerMove={({ nativeEvent: { offsetX: x, offsetY: y } }) => {
            const found = nodeAt(topology, x, y);
            setHover(found && { name: found.item.name, x: found.x, y: found.y });
          }}
          onPointerLeave={() => setHover(undefined)}
          onClick={({ nativeEvent: { offsetX, offsetY } }) => {
            const found = nodeAt(topology, offsetX, offsetY);
            if (found) void navigate({ to: "/nodes/$node", params: { node: found.item.name } });
          }}
        />
        {hover && hovered && (
          <div
            className="tip"
            style={{ left: Math.min(hover.x, width - 260), top: hover.y + topology.cell.height + 6 }}
          >
            <strong>{hovered.name}</strong> <Status tone={toneOfNode(hovered)}>{stateOfNode(hovered)}</Status>
            <p className="faint">
              {hovered.placements.length === 0
                ? "holds nothing"
                : hovered.placements.map(({ model, version, state }) => `${model}:${version} ${state}`).join(", ")}
            </p>
            {loads.get(hovered.name)?.load && <p>CPU {Math.round(loads.get(hovered.name)?.load?.cpuPct ?? 0)} %</p>}
          </div>
        )}
      </div>
      <details className="as-list">
        <summary>The same as a list</summary>
        {topology.sites.map(({ name, cells }) => (
          <section key={name}>
            <h2>{name}</h2>
            <ul>
              {cells.slice(0, 200).map(({ item }) => (
                <li key={item.name}>
                  <Link to="/nodes/$node" params={{ node: item.name }}>
                    {item.name}
                  </Link>
                  : {stateOfNode(item)}
                  {item.placements.map(({ placementId, model, version, state }) => (
                    <span key={placementId}>
                      , {model}:{version} {state}
                    </span>
                  ))}
                </li>
              ))}
            </ul>
            {cells.length > 200 && <Link to="/nodes">and {cells.length - 200} more</Link>}
          </section>
        ))}
      </details>
    </>
  );
}
