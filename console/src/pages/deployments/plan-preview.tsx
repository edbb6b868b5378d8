import { useQuery } from "@tanstack/react-query";
import { api, bodyOf } from "../../api/client.ts";
import type { Deployment } from "../../api/types.ts";
import { PlanShown } from "../../ui/plan-shown.tsx";
import { Complaint } from "../../ui/states.tsx";
import { Status } from "../../ui/status.tsx";
import { useSettled } from "../../ui/use-settled.ts";

/** What is typed is not planned for at each key. */
const SETTLE_MS = 400;

/** Where the replicas of a spec would be, before it is declared; `problem`: why there is no spec yet. */
export function PlanPreview({
  spec,
  problem,
}: {
  readonly spec: Deployment["spec"] | undefined;
  readonly problem: string | undefined;
}) {
  const wanted = spec === undefined ? undefined : JSON.stringify(spec);
  const asked = useSettled(wanted, SETTLE_MS);
  const planning = useQuery({
    queryKey: ["plan", asked],
    queryFn: () =>
      bodyOf(
        api.POST("/api/v1/plan", {
          body: {
            deployments: { apply: [JSON.parse(asked ?? "") as Deployment["spec"]], remove: [] },
            nodes: { add: [], remove: [], cordon: [], drain: [], uncordon: [], load: [] },
          },
        }),
      ),
    enabled: asked !== undefined,
    placeholderData: (before) => before,
    gcTime: 0,
    retry: false,
  });
  return (
    <div role="status" className="plan" aria-busy={wanted !== asked || planning.isPlaceholderData}>
      {problem === undefined ? (
        <>
          {planning.isError && <Complaint error={planning.error} />}
          {planning.data === undefined && !planning.isError && <Status tone="busy">Planning …</Status>}
          {planning.data && spec && !planning.isError && <PlanShown plan={planning.data} deployment={spec.name} />}
        </>
      ) : (
        <Status tone="idle">{problem}</Status>
      )}
    </div>
  );
}
