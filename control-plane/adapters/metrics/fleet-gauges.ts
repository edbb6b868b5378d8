import { Gauge, type Registry } from "prom-client";
import type { FleetCounts } from "../../ports/metrics.ts";

/** Registers what is counted only when somebody reads the metrics: `counts` is asked on every scrape. */
export function registerFleetGauges(registry: Registry, counts: () => FleetCounts): void {
  const registers = [registry];
  const gauges = [
    { name: "skerry_nodes", help: "Nodes by state", read: ({ nodes }: FleetCounts) => nodes },
    { name: "skerry_placements", help: "Placements by state", read: ({ placements }: FleetCounts) => placements },
    {
      name: "skerry_rollouts",
      help: "Newest rollouts of deployments by phase",
      read: ({ rollouts }: FleetCounts) => rollouts,
    },
  ];
  for (const { name, help, read } of gauges) {
    new Gauge({
      name,
      help,
      labelNames: ["state"],
      registers,
      collect() {
        for (const [state, count] of read(counts())) this.set({ state }, count);
      },
    });
  }
  new Gauge({
    name: "skerry_rollout_phase_age_seconds",
    help: "How long each rollout that is under way has been in its phase",
    labelNames: ["deployment", "phase"],
    registers,
    collect() {
      this.reset();
      for (const { deployment, phase, ms } of counts().runningRollouts) this.set({ deployment, phase }, ms / 1_000);
    },
  });
  new Gauge({
    name: "skerry_inferences_in_flight",
    help: "Inferences that are at nodes now",
    registers,
    collect() {
      this.set(counts().inFlight);
    },
  });
  new Gauge({
    name: "skerry_cloud_pool_pods",
    help: "Pods of each pool of cloud nodes: wanted, ready, and asked for but not ready; shown by the leader",
    labelNames: ["pool", "state"],
    registers,
    collect() {
      this.reset();
      for (const { name, wanted, ready, pending } of counts().pools)
        for (const [state, count] of Object.entries({ wanted, ready, pending })) this.set({ pool: name, state }, count);
    },
  });
  new Gauge({
    name: "skerry_peer_links",
    help: "Other control planes that hold nodes, by whether requests can be forwarded to them",
    labelNames: ["state"],
    registers,
    collect() {
      for (const [state, count] of Object.entries(counts().peers)) this.set({ state }, count);
    },
  });
  new Gauge({
    name: "skerry_tls_certificate_end_timestamp_seconds",
    help: "When the certificate that is shown to callers ends, in seconds since 1970",
    registers,
    collect() {
      const { certificateEndsAt } = counts();
      if (certificateEndsAt === undefined) this.remove();
      else this.set(certificateEndsAt / 1_000);
    },
  });
  new Gauge({
    name: "skerry_watches",
    help: "Open streams of changes, by what is followed",
    labelNames: ["of"],
    registers,
    collect() {
      for (const [of, count] of Object.entries(counts().watches)) this.set({ of }, count);
    },
  });
  new Gauge({
    name: "skerry_deployments",
    help: "Declared deployments",
    registers,
    collect() {
      this.set(counts().deployments);
    },
  });
}
