import type { ModelVersion } from "../../api/types.ts";
import { mebibytesText } from "../../core/text/units.ts";
import { Signature } from "./signature.tsx";

/** What a request may pass of it, what decides, and the tensors of its graphs. The version's own signature is the raw one. */
export const PipelineFacts = ({
  of: { stages, rule, roomMiB, inputs, outputs },
}: {
  readonly of: NonNullable<ModelVersion["pipeline"]>;
}) => (
  <>
    <p>
      The signature above is that of the whole: raw inputs are files or texts. A request that passes <code>infer</code>{" "}
      alone takes and gets the tensors of the graphs.
    </p>
    <dl className="facts">
      <dt>Stages (skerry_stages)</dt>
      <dd>
        {stages.map((each) => (
          <code key={each} className="tag">
            {each}
          </code>
        ))}
      </dd>
      <dt>Decided by</dt>
      <dd>{rule === "" ? "no step: it answers tensors" : <code>{rule}</code>}</dd>
      <dt>Memory beside the graphs</dt>
      <dd>{mebibytesText(roomMiB)}</dd>
    </dl>
    <h3>Tensors of its graphs</h3>
    <Signature of={{ inputs, outputs }} />
  </>
);
