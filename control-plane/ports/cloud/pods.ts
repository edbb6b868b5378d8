/** A pod that runs the node program, as the cluster knows it. */
export interface PodIdentity {
  readonly name: string;
  readonly uid: string;
  /** `topology.kubernetes.io/zone` of the cluster's node that it runs on; undefined where the node has none. */
  readonly zone: string | undefined;
  /** The pod's labels. */
  readonly labels: Readonly<Record<string, string>>;
}

/** The cluster whose pods are cloud nodes. */
export interface PodCluster {
  /**
   * The pod that a projected service-account token is bound to. Null when the cluster does not vouch for the token, when
   * it was made for another audience or service account, and when its pod is gone or about to go. Throws `CLUSTER_UNAVAILABLE`.
   */
  identify(token: string): Promise<PodIdentity | null>;
  /** The uids of all pods in the namespaces of the permitted service accounts, without those that never run again. Throws `CLUSTER_UNAVAILABLE`. */
  podUids(): Promise<ReadonlySet<string>>;
}
