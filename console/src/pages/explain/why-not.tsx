import { useQuery } from "@tanstack/react-query";
import { api, bodyOf } from "../../api/client.ts";
import { QueryState } from "../../ui/query-state.tsx";
import { Meter, Status } from "../../ui/status.tsx";

/** One node against every filter and every score. */
export function WhyNot({ deployment, node }: { readonly deployment: string; readonly node: string }) {
  const query = useQuery({
    queryKey: ["explain", deployment, node],
    queryFn: () =>
      bodyOf(
        api.GET("/api/v1/deployments/{deployment}/explain", { params: { path: { deployment }, query: { node } } }),
      ),
  });
  return (
    <QueryState query={query}>
      {({ whyNot }) =>
        whyNot === null ? (
          <p className="faint">Nothing is known of it.</p>
        ) : (
          <>
            <p>{whyNot.sentence}</p>
            {whyNot.rejections.length > 0 && (
              <ul className="findings">
                {whyNot.rejections.map(({ code, verdict, sentence }) => (
                  <li key={code}>
                    <Status tone={verdict === "never" ? "bad" : "warn"}>{verdict}:</Status> {sentence}{" "}
                    <code>{code}</code>
                  </li>
                ))}
              </ul>
            )}
            {whyNot.wouldChange !== null && whyNot.wouldChange.length > 0 && (
              <p>What would change it: {whyNot.wouldChange.join("; ")}.</p>
            )}
            {whyNot.ranked && (
              <dl className="facts scores">
                {Object.entries(whyNot.ranked.scores).map(([name, { score, weight, raw }]) => (
                  <div key={name} className="row">
                    <dt>{name}</dt>
                    <dd>
                      <Meter value={score} label={`${Math.round(score)} × ${weight} — ${raw}`} />
                    </dd>
                  </div>
                ))}
                <div className="row">
                  <dt>Total</dt>
                  <dd>{whyNot.ranked.total.toFixed(1)} points</dd>
                </div>
              </dl>
            )}
          </>
        )
      }
    </QueryState>
  );
}
