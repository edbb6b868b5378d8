import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Node } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { layoutTopology, nodeAt } from "../../core/fleet/topology-layout.ts";
import { stateOfNode, toneOfNode } from "../../core/fleet/tone.ts";
import { countOf } from "../../core/text/units.ts";
import { useDeployments, useNodes } from "../../live/lists.ts";
import { useAllCpu, useLoads } from "../../live/loads.ts";
import { PageHead } from "../../ui/page.tsx";
import { LiveState } from "../../ui/query-state.tsx";
import { NoNodes } from "../../ui/nothing-yet.tsx";
import { Status } from "../../ui/status.tsx";
import { drawTopology } from "./draw-topology.ts";

/** Of larger fleets the CPU alone is asked for, of all nodes in one answer: their whole loads would be a MiB every few seconds. */
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
  const isSmall = nodes.length <= MAX_LOADS;
  const loads = useLoads(isSmall ? nodes.map(({ name }) => name) : []);
  const cpu = useAllCpu(!isSmall);
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
        factsOf: (name) => ({
          cpuPct: loads.get(name)?.load?.cpuPct ?? cpu.get(name),
          rttMs: loads.get(name)?.load?.rttMs,
        }),
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
  }, [topology, width, deployment, hover, loads, cpu]);
  const hoveredCpu = hover && (loads.get(hover.name)?.load?.cpuPct ?? cpu.get(hover.name));
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
            {hoveredCpu !== undefined && <p>CPU {Math.round(hoveredCpu)} %</p>}
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
