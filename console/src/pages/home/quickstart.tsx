import { Link } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";
import { api, bodyOf } from "../../api/client.ts";
import { useMayOperate } from "../../app/session-context.ts";
import { quickstartOf } from "../../core/fleet/quickstart.ts";
import { useDeployments, useNodes } from "../../live/lists.ts";
import { CopyText } from "../../ui/copy.tsx";
import { PageHead, Section } from "../../ui/page.tsx";
import { Status } from "../../ui/status.tsx";

const DEPLOYMENT = `name: hello
model: hello
version: 1
placement:
  edge: { min: 1 }`;

/** The page of a fleet without a deployment: what leads to a model that answers. */
export function Quickstart() {
  const mayOperate = useMayOperate();
  return (
    <>
      <PageHead
        title="Begin here"
        sentence={`Nothing serves yet. Four steps lead to a model that answers; each is ticked when it has happened.${mayOperate ? "" : " An operator or an admin takes them; your role may not."}`}
      />
      <Steps done={useDone()} />
    </>
  );
}

/** The same beside the first deployments. `onDone`: somebody hides them, or leaves the page with all of them ticked. */
export function FirstSteps({ onDone }: { readonly onDone: () => void }) {
  const done = useDone();
  const leave = useRef(() => {});
  useEffect(() => {
    leave.current = done.ready ? onDone : () => {};
  });
  useEffect(() => () => leave.current(), []);
  return (
    <Section title="First steps">
      <Steps done={done} />
      <button type="button" onClick={onDone}>
        Hide these steps
      </button>
    </Section>
  );
}

function useDone(): ReturnType<typeof quickstartOf> {
  const nodes = useNodes();
  const deployments = useDeployments();
  const models = useQuery({
    // Not the list of the page of models: one is enough.
    queryKey: ["any model"],
    queryFn: () => bodyOf(api.GET("/api/v1/models", { params: { query: { limit: 1 } } })),
    refetchInterval: 3_000,
  });
  return quickstartOf({
    nodes: nodes.rows.map(({ item }) => item),
    deployments: deployments.rows.map(({ item }) => item),
    models: models.data?.items.length ?? 0,
  });
}

const Steps = ({ done }: { readonly done: ReturnType<typeof quickstartOf> }) => (
  <ol className="steps">
    <Step isDone={done.node} title="Join a node">
      <p>
        A node is the program that runs models, on a device or in a pod. <Link to="/nodes">Make a join token</Link> and
        paste its line there.
      </p>
    </Step>
    <Step isDone={done.model} title="Publish a model">
      <p>
        <Link to="/models">Drop a file</Link>, or:
      </p>
      <CopyText label="Publish a model" text="skerry models push hello.onnx --model hello" />
    </Step>
    <Step isDone={done.deployment} title="Declare a deployment">
      <p>
        It says where the model serves. <Link to="/deployments">Deploy a model</Link>, or by a file:
      </p>
      <CopyText
        label="A deployment"
        text={`cat > hello.yaml <<'EOF'\n${DEPLOYMENT}\nEOF\nskerry apply -f hello.yaml`}
      />
    </Step>
    <Step isDone={done.ready} title="It answers">
      <p>
        <Link to="/playground">Ask it in the playground</Link>, or by a request in a file:
      </p>
      <CopyText label="Ask the model" text="skerry infer hello -f request.json" />
    </Step>
  </ol>
);

const Step = ({
  isDone,
  title,
  children,
}: {
  readonly isDone: boolean;
  readonly title: string;
  readonly children: ReactNode;
}) => (
  <li className={isDone ? "done" : undefined}>
    <h2>
      <Status tone={isDone ? "good" : "idle"}>
        {title}
        <span className="visually-hidden">{isDone ? ": done" : ": to do"}</span>
      </Status>
    </h2>
    {!isDone && children}
  </li>
);
