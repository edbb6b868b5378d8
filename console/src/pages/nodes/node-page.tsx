import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import type { Node } from "../../api/types.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { followedNode, shownAfter, type ShownNode } from "../../core/fleet/followed-node.ts";
import { stateOfNode, toneOfNode, toneOfPlacement } from "../../core/fleet/tone.ts";
import { mebibytesText, msText } from "../../core/text/units.ts";
import { versionText } from "../../core/variants.ts";
import type { Received } from "../../core/fleet/watched-list.ts";
import type { LiveSnapshot } from "../../live/live-list.ts";
import { useNodes } from "../../live/lists.ts";
import { cpuHistory, useLoads } from "../../live/loads.ts";
import { Age, AgeOf } from "../../ui/age.tsx";
import { PageHead, Section } from "../../ui/page.tsx";
import { LiveState } from "../../ui/query-state.tsx";
import { Empty } from "../../ui/states.tsx";
import { Sparkline, Status } from "../../ui/status.tsx";
import { StreamTable } from "../../ui/stream-table.tsx";
import { DrainProgress } from "./drain-progress.tsx";
import { NodeActions } from "./node-actions.tsx";

/** One node: what it is, what it holds and how loaded it is. */
export function NodePage() {
  const { node: name } = useParams({ from: "/nodes/$node" });
  return <LiveState list={useNodes()}>{(nodes) => <NamedNode name={name} nodes={nodes} />}</LiveState>;
}

/** The node of that name. When it is renamed, here or elsewhere, the address follows it, and the page says so. */
function NamedNode({ name, nodes }: { readonly name: string; readonly nodes: LiveSnapshot<Node> }) {
  const navigate = useNavigate();
  const [shown, setShown] = useState<ShownNode>();
  const row = followedNode(nodes, name, shown);
  const next = shownAfter(shown, row?.item);
  if (next !== shown) setShown(next);
  const now = row?.item.name;
  useEffect(() => {
    if (now !== undefined && now !== name) void navigate({ to: "/nodes/$node", params: { node: now }, replace: true });
  }, [now, name, navigate]);
  if (row === undefined)
    return (
      <Empty title={`There is no node ${name}`}>
        <Link to="/nodes">All nodes</Link>
      </Empty>
    );
  return (
    <>
      {shown?.before !== undefined && (
        <p className="note" role="status">
          It was called {shown.before} until now. Selectors and files with that name do not find it any more.{" "}
          <Link to="/events" search={{ object: `node/${shown.before}` }}>
            Its earlier events
          </Link>
        </p>
      )}
      <OneNode row={row} />
    </>
  );
}

function OneNode({ row: { item: node, at } }: { readonly row: Received<Node> }) {
  const mayOperate = useMayOperate();
  const { load, heardAt } = useLoads([node.name]).get(node.name) ?? { load: node.load, heardAt: undefined };
  const heard = heardAt ?? (node.lastSeenAgeMs === null ? undefined : at - node.lastSeenAgeMs);
  return (
    <>
      <PageHead
        title={
          <>
            {node.name} <span className="tag">{node.kind}</span>
          </>
        }
        sentence={
          <>
            <Status tone={toneOfNode(node)}>{stateOfNode(node)}</Status>, heard{" "}
            {heard === undefined ? "never" : <Age since={heard} />}, joined <AgeOf instant={node.createdAt} />
          </>
        }
      >
        {mayOperate && <NodeActions node={node} />}
      </PageHead>
      {node.draining && <DrainProgress node={node} at={at} />}
      {node.quarantine && (
        <p className="note warn">
          Its connection broke {node.quarantine.disconnects} times, so it gets no new models for a while.
        </p>
      )}
      <div className="columns">
        <Section title="Load">
          {load === null ? (
            <p className="faint">It has not reported its load yet.</p>
          ) : (
            <dl className="facts">
              <dt>CPU</dt>
              <dd>
                <Sparkline values={cpuHistory(node.name)} most={100} label="CPU since this page was opened" />
                {Math.round(load.cpuPct)} %
              </dd>
              <dt>Memory free</dt>
              <dd>{mebibytesText(load.memFreeMiB)}</dd>
              <dt>Disk free</dt>
              <dd>{mebibytesText(load.diskFreeMiB)}</dd>
              <dt>Round trip</dt>
              <dd>{msText(load.rttMs)}</dd>
              <dt>Requests under way</dt>
              <dd>{load.rif}</dd>
            </dl>
          )}
        </Section>
        <Section title="What it is">
          <Facts node={node} />
        </Section>
      </div>
      <Section title="What it holds">
        <Placements node={node} at={at} />
      </Section>
      {load !== null && load.streams.length > 0 && (
        <Section title="Streams">
          <StreamTable rows={load.streams} />
        </Section>
      )}
      <p>
        <Link to="/events" search={{ object: `node/${node.name}` }}>
          Events of this node
        </Link>
      </p>
    </>
  );
}

function Facts({ node }: { readonly node: Node }) {
  const able = node.capabilities;
  return (
    <dl className="facts">
      <dt>Site, zone</dt>
      <dd>
        {node.site}, {node.zone}
      </dd>
      {able && (
        <>
          <dt>Machine</dt>
          <dd>
            {able.cpus} CPUs, {mebibytesText(able.memMiB)}, {able.os} {able.arch}
          </dd>
          <dt>Runtime</dt>
          <dd>
            {able.runtime}, opset {able.maxOpset}, {able.providers.join(", ")}
          </dd>
          {able.localUrl !== undefined && (
            <>
              <dt>Answers at</dt>
              <dd>
                <code>{able.localUrl}</code>
              </dd>
            </>
          )}
        </>
      )}
      <dt>Agent</dt>
      <dd>{node.agentVersion ?? "never connected"}</dd>
      <dt>Labels</dt>
      <dd>
        {Object.entries(node.labels).map(([key, value]) => (
          <code key={key} className="chip">
            {key}={value}
          </code>
        ))}
        {Object.keys(node.labels).length === 0 && <span className="faint">none</span>}
      </dd>
      {node.managedBy && (
        <>
          <dt>Declared by</dt>
          <dd>{node.managedBy}</dd>
        </>
      )}
    </dl>
  );
}

function Placements({ node, at }: { readonly node: Node; readonly at: number }) {
  if (node.placements.length === 0) return <p className="faint">Nothing.</p>;
  return (
    <div className="table">
      <table>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">Deployment</th>
            <th scope="col">State</th>
            <th scope="col">Since</th>
          </tr>
        </thead>
        <tbody>
          {node.placements.map(({ placementId, deployment, model, version, variant, state, stateAgeMs }) => (
            <tr key={placementId}>
              <th scope="row">
                <Link to="/models/$model" params={{ model }} search={{ version }}>
                  {versionText(`${model}:${version}`, variant)}
                </Link>
              </th>
              <td>
                {deployment === "" ? (
                  <span className="faint">none: it leaves</span>
                ) : (
                  <Link to="/deployments/$deployment" params={{ deployment }}>
                    {deployment}
                  </Link>
                )}
              </td>
              <td>
                <Status tone={toneOfPlacement(state)}>{state}</Status>
              </td>
              <td>
                <Age since={at - stateAgeMs} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
