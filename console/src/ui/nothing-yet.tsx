import { Link } from "@tanstack/react-router";
import { Empty } from "./states.tsx";

/** What comes next is shown to those who may do it; others read who may. */
interface Reader {
  readonly mayOperate: boolean;
}

const ASK = "An operator or an admin does that; your role may not.";

export const NoNodes = ({ mayOperate }: Reader) => (
  <Empty title="No node has joined">
    <p>
      A node is the program that runs models, on a device or in a pod.{" "}
      {mayOperate ? (
        <>
          <Link to="/nodes">Join a node</Link> makes a line to paste there.
        </>
      ) : (
        `It joins with a token. ${ASK}`
      )}
    </p>
  </Empty>
);

export const NoModels = ({ mayOperate }: Reader) => (
  <Empty title="There are no models yet">
    <p>
      {mayOperate ? (
        <>
          Drop a file above, or: <code>skerry models push FILE --model NAME</code>
        </>
      ) : (
        `A model is published as a file. ${ASK}`
      )}
    </p>
  </Empty>
);

export const NothingDeployed = ({ mayOperate }: Reader) => (
  <Empty title="Nothing is deployed">
    <p>
      A deployment says which model serves where.{" "}
      {mayOperate ? (
        <>
          <Link to="/models">Publish a model</Link>, then <Link to="/deployments">deploy it</Link>, or:{" "}
          <code>skerry apply -f deployment.yaml</code>
        </>
      ) : (
        ASK
      )}
    </p>
  </Empty>
);
