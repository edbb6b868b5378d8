type Kind = "ModelDeployment" | "Model" | "EdgeNode" | "CloudPool";

/** A spec that both the API's schema and the API server refuse, and what both say. */
export interface RefusedSpec {
  readonly what: string;
  readonly kind: Kind;
  readonly spec: object;
  readonly sentence: string;
}

const deployment = { model: "digits", version: "champion" };
const edge = { min: 1 };

export const REFUSED_SPECS: readonly RefusedSpec[] = [
  {
    what: "a pool with fewer pods at most than at least",
    kind: "CloudPool",
    spec: { deployment: "skerry-node-gpu", min: 4, max: 2 },
    sentence: "must not be below `min`",
  },
  {
    what: "a pool of a Deployment that cannot be",
    kind: "CloudPool",
    spec: { deployment: "Skerry_Node", max: 2 },
    sentence: "1–63 lower-case letters, digits, `.` and `-`",
  },
  {
    what: "a model's name with a capital letter",
    kind: "ModelDeployment",
    spec: { ...deployment, model: "Digits" },
    sentence: "1–63 characters of a–z, 0–9, `.`, `_`, `-`, beginning with a letter or digit",
  },
  {
    what: "a version that is neither a number nor an alias",
    kind: "ModelDeployment",
    spec: { ...deployment, version: "3rd" },
    sentence: "1–63 characters, beginning with a letter",
  },
  {
    what: "cloud replicas of an edge-only deployment",
    kind: "ModelDeployment",
    spec: { ...deployment, placement: { residency: "edge-only", edge, cloud: { min: 1 } } },
    sentence: "cannot ask for cloud replicas while `residency` is edge-only",
  },
  {
    what: "an edge-only deployment on every cloud node",
    kind: "ModelDeployment",
    spec: { ...deployment, placement: { residency: "edge-only", edge, cloud: { every: true } } },
    sentence: "cannot ask for cloud replicas while `residency` is edge-only",
  },
  {
    what: "edge replicas of a cloud-only deployment",
    kind: "ModelDeployment",
    spec: { ...deployment, placement: { residency: "cloud-only", edge } },
    sentence: "cannot ask for edge replicas while `residency` is cloud-only",
  },
  {
    what: "waves of a rollout that takes one step",
    kind: "ModelDeployment",
    spec: { ...deployment, rollout: { strategy: "blue-green", waves: [{ percent: 10 }] } },
    sentence: "cannot be combined with `blue-green`",
  },
  {
    what: "a wave that goes two ways",
    kind: "ModelDeployment",
    spec: { ...deployment, rollout: { waves: [{ percent: 10, replicas: 1 }] } },
    sentence: "must have exactly one of `percent`, `replicas`, `zone` and `where`",
  },
  {
    what: "waves that fall",
    kind: "ModelDeployment",
    spec: { ...deployment, rollout: { waves: [{ percent: 50 }, { percent: 10 }] } },
    sentence: "must have rising `percent`s",
  },
  {
    what: "samples that make up for nothing",
    kind: "ModelDeployment",
    spec: { ...deployment, rollout: { gate: { useSamples: true } } },
    sentence: "needs `minRequests`, which says how many requests samples make up for",
  },
  {
    what: "a frozen window without an end",
    kind: "ModelDeployment",
    spec: { ...deployment, rollout: { freeze: [{ from: "08:00", to: "08:00" }] } },
    sentence: "must differ from `from`",
  },
  {
    what: "a frozen window that leaves no time",
    kind: "ModelDeployment",
    spec: { ...deployment, rollout: { freeze: [{}] } },
    sentence: "must leave a time in which a wave can begin",
  },
  {
    what: "a time that no clock shows",
    kind: "ModelDeployment",
    spec: { ...deployment, rollout: { freeze: [{ from: "24:30" }] } },
    sentence: "a time from 00:00 to 23:59, such as `18:30`",
  },
  {
    what: "a day named twice",
    kind: "ModelDeployment",
    spec: { ...deployment, rollout: { freeze: [{ days: ["sat", "sat"] }] } },
    sentence: "must name each day once",
  },
  {
    what: "an approval named twice",
    kind: "ModelDeployment",
    spec: { ...deployment, rollout: { approval: ["start", "start"] } },
    sentence: "must name each stage once",
  },
  {
    what: "fewer replicas at most than at least",
    kind: "ModelDeployment",
    spec: { ...deployment, placement: { cloud: { min: 2, max: 1 } } },
    sentence: "must not be below `min`",
  },
  {
    what: "a number that follows demand on every node",
    kind: "ModelDeployment",
    spec: { ...deployment, placement: { cloud: { max: 4, every: true } } },
    sentence: "cannot be combined with `every`, which places one replica on each matching node",
  },
  {
    what: "cloud replicas on demand of an edge-only deployment",
    kind: "ModelDeployment",
    spec: { ...deployment, placement: { residency: "edge-only", edge, cloud: { max: 2 } } },
    sentence: "cannot ask for cloud replicas while `residency` is edge-only",
  },
  {
    what: "two streams of one name",
    kind: "ModelDeployment",
    spec: {
      model: "digits",
      version: 1,
      streams: [
        { name: "press", source: "files", sink: "plant" },
        { name: "press", source: "push", sink: "plant" },
      ],
    },
    sentence: "must not share a name",
  },
  {
    what: "an alias's name that begins with a digit",
    kind: "Model",
    spec: { aliases: [{ name: "1st", version: 1 }] },
    sentence: "1–63 characters, beginning with a letter",
  },
  {
    what: "an alias that names nothing",
    kind: "Model",
    spec: { aliases: [{ name: "champion" }] },
    sentence: "an alias names a version by `version` or by `digest`, and by one",
  },
  {
    what: "an alias that names two things",
    kind: "Model",
    spec: { aliases: [{ name: "champion", version: 1, digest: `sha256:${"0".repeat(64)}` }] },
    sentence: "an alias names a version by `version` or by `digest`, and by one",
  },
  {
    what: "a digest that is cut off",
    kind: "Model",
    spec: { aliases: [{ name: "champion", digest: "sha256:00" }] },
    sentence: "`sha256:` and 64 lower-case hex digits",
  },
  {
    what: "a node that drains without being cordoned",
    kind: "EdgeNode",
    spec: { draining: true },
    sentence: "a node that drains is cordoned: set `cordoned` too",
  },
];
