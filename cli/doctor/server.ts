import { z } from "zod";
import { deployment, type Deployment } from "../../shared/api/v1/deployments/deployments.ts";
import { node, type Node } from "../../shared/api/v1/nodes/nodes.ts";
import { messageOf } from "../../shared/base/errors.ts";
import { VERSION } from "../../shared/base/version.ts";
import { podsInTrouble } from "../actions/nodes/pools.ts";
import type { ApiClient } from "../api/client.ts";
import { isApiFailure } from "../api/problem.ts";
import { readList } from "../api/lists.ts";
import { count, formatAge, formatSince } from "../output/units.ts";
import { conditionOf } from "../wait/deployment-ready.ts";
import { type Finding, good } from "./finding.ts";

/** A node that has joined connects within seconds. */
const JOIN_MS = 600_000;
/** A node takes no model when less than this share of its disk is free. */
const FREE_SHARE = 0.05;
/** Names in one line. */
const NAMED = 5;

const readiness = z.object({ ready: z.boolean(), reasons: z.array(z.string()) });

/** Whether the control plane takes requests, whether its nodes are there, and what its deployments wait for. */
export async function examineServer(api: ApiClient): Promise<readonly Finding[]> {
  const parts = [
    ready(api, "inference", "inference"),
    ready(api, "admin", "the admin API"),
    readList(api, "/api/v1/nodes", node).then(({ items }) => examineNodes(items)),
    readList(api, "/api/v1/deployments", deployment).then(({ items }) => examineDeployments(items)),
    podsInTrouble(api).then((sentences) =>
      sentences.map((how): Finding => bad("pools of cloud nodes", how, "look with `skerry pools ls -o wide`")),
    ),
  ];
  const settled = await Promise.allSettled(parts);
  return settled.flatMap((one) => (one.status === "fulfilled" ? one.value : [refused(one.reason)]));
}

/** A key that may not see something is no fault of the server. */
function refused(error: unknown): Finding {
  const isAllowed = !(isApiFailure(error) && error.status === 403);
  return {
    about: "server",
    level: isAllowed ? "bad" : "warning",
    what: "what can be seen",
    how: messageOf(error),
    fix: isAllowed ? "look into the log of the control plane" : "use a key of the role viewer or above",
  };
}

async function ready(api: ApiClient, purpose: string, name: string): Promise<readonly Finding[]> {
  const what = `takes requests for ${name}`;
  // An unready server answers 503 with its reasons, which are the answer here.
  const response = await fetch(api.url("/readyz", { for: purpose }), { signal: AbortSignal.timeout(5_000) });
  const { ready: isReady, reasons } = readiness.parse(await response.json());
  return isReady
    ? [good("server", what, "yes")]
    : [
        bad(
          what,
          `no: ${reasons.join("; ")}`,
          "look into the log of the control plane, and whether PostgreSQL answers",
        ),
      ];
}

function examineNodes(nodes: readonly Node[]): readonly Finding[] {
  if (nodes.length === 0)
    return [warning("nodes", "none has joined", "make a token with `skerry token create --print-join`")];
  const away = nodes.filter(({ state }) => state === "suspect" || state === "lost" || state === "detached");
  const isNew = ({ createdAt }: Node): boolean => Date.now() - Date.parse(createdAt) < JOIN_MS;
  const never = nodes.filter((of) => of.state === "pending" && !isNew(of));
  const older = nodes.filter(({ agentVersion }) => agentVersion !== null && agentVersion !== VERSION);
  const full = nodes.filter(
    ({ load, capabilities }) => (load?.diskFreeMiB ?? Infinity) < (capabilities?.diskMiB ?? 0) * FREE_SHARE,
  );
  const quarantined = nodes.filter(({ quarantine }) => quarantine !== null);
  const aside = nodes.filter(({ cordoned, draining }) => cordoned || draining);
  const since = ({ name, state, lastSeenAgeMs }: Node): string =>
    `${name} (${state}${lastSeenAgeMs === null ? "" : `, seen ${formatAge(lastSeenAgeMs)} ago`})`;
  return [
    ...(away.length === 0
      ? [good("server", "nodes", `${count(nodes.length, "node")}, none away`)]
      : [
          bad(
            "nodes away",
            list(away.map(since)),
            "check their power and network; on the machine `skerry doctor edge` says more",
          ),
        ]),
    ...each(
      never,
      "nodes that never connected",
      ({ name, createdAt }) => `${name} (joined ${formatSince(createdAt, Date.now())} ago)`,
      {
        fix: "start them with `skerry join`, or remove them with `skerry nodes rm`",
      },
    ),
    ...each(quarantined, "nodes in quarantine", ({ name }) => name, {
      fix: "their connections broke again and again: check the network; they return by themselves",
    }),
    ...each(full, "disks", ({ name, load }) => `${name} has ${Math.round(load?.diskFreeMiB ?? 0)} MiB free`, {
      fix: "free space: a node takes no model while less than 5 % of its disk is free",
    }),
    ...each(
      nodes.filter(({ load }) => waitingOf(load).length > 0),
      "streams that wait",
      ({ name, load }) => `${name}: ${waitingOf(load).join("; ")}`,
      {
        fix: "`skerry streams get DEPLOYMENT/STREAM`; on the machine `SKERRY_STREAMS_FILE=FILE skerry doctor edge` says more",
      },
    ),
    ...each(older, "agents of another version", ({ name, agentVersion }) => `${name} (${agentVersion})`, {
      fix: `install ${VERSION} there when it suits`,
    }),
    ...each(
      aside,
      "nodes that get nothing new",
      ({ name, draining }) => `${name} (${draining ? "draining" : "cordoned"})`,
      {
        fix: "`skerry nodes uncordon NODE` when their maintenance is over",
      },
    ),
  ];
}

/** Streams of a node that cannot read, run or send, each with why. */
const waitingOf = (load: Node["load"]): readonly string[] =>
  (load?.streams ?? []).flatMap(({ deployment: of, name, state, reason }) =>
    state === "waiting" && reason !== undefined ? [`${of}/${name} (${reason})`] : [],
  );

function examineDeployments(deployments: readonly Deployment[]): readonly Finding[] {
  if (deployments.length === 0)
    return [warning("deployments", "nothing is deployed", "declare something with `skerry apply -f FILE`")];
  const faults = deployments.flatMap((of): Finding[] => {
    const condition = conditionOf(of, "Ready");
    if (of.status.unplaced.length > 0)
      return [bad(`deployment ${of.name}`, list(of.status.unplaced), `\`skerry explain ${of.name}\``)];
    const stalled = conditionOf(of, "Stalled");
    if (stalled?.status === "True")
      return [
        bad(`deployment ${of.name}`, `${stalled.reason}: ${stalled.message}`, `\`skerry deployments get ${of.name}\``),
      ];
    if (condition?.status === "True" || of.spec.paused === true) return [];
    const how = condition === undefined ? "was not looked at yet" : `${condition.reason}: ${condition.message}`;
    return [warning(`deployment ${of.name}`, how, `\`skerry deployments get ${of.name} --wait\``)];
  });
  return faults.length > 0
    ? faults
    : [good("server", "deployments", `${count(deployments.length, "deployment")}, all ready`)];
}

function each(
  nodes: readonly Node[],
  what: string,
  text: (of: Node) => string,
  { fix }: { readonly fix: string },
): readonly Finding[] {
  return nodes.length === 0 ? [] : [warning(what, list(nodes.map(text)), fix)];
}

const bad = (what: string, how: string, fix: string): Finding => ({ about: "server", level: "bad", what, how, fix });
const warning = (what: string, how: string, fix: string): Finding => ({
  about: "server",
  level: "warning",
  what,
  how,
  fix,
});

const list = (names: readonly string[]): string =>
  names.length <= NAMED ? names.join(", ") : `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} more`;
