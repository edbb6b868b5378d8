import { Link } from "@tanstack/react-router";
import type { Rollout } from "../../api/types.ts";
import type { Tone } from "../../core/fleet/tone.ts";
import { waveText } from "../../core/deployments/wave-text.ts";
import { AgeOf } from "../../ui/age.tsx";
import { Status } from "../../ui/status.tsx";

const NODE_TONES: Readonly<Record<string, Tone>> = { switched: "good", failed: "bad", waiting: "warn" };
const FINDING_TONES: Readonly<Record<string, Tone>> = { pass: "good", fail: "bad", more: "busy" };

/** Waves with their nodes, the evidence of the gate, and what happened, oldest first. */
export function RolloutTimeline({ rollout }: { readonly rollout: Rollout }) {
  return (
    <>
      <ol className="waves">
        {rollout.waves.map((wave, at) => {
          const number = at + 1;
          const nodes = rollout.nodes.filter((node) => node.wave === number);
          return (
            <li key={number} className={waveClass(rollout, number)}>
              <h4>
                Wave {number}: {waveText(wave)}
              </h4>
              <ul>
                {nodes.map(({ node, state, since, why }) => (
                  <li key={node}>
                    <Status tone={NODE_TONES[state] ?? "busy"}>
                      <Link to="/nodes/$node" params={{ node }}>
                        {node}
                      </Link>{" "}
                      {state}
                    </Status>{" "}
                    <span className="faint">
                      <AgeOf instant={since} />
                    </span>
                    {why !== null && <p className="faint">{why}</p>}
                  </li>
                ))}
              </ul>
            </li>
          );
        })}
      </ol>
      {rollout.findings.length > 0 && (
        <>
          <h4>
            What the gate found{" "}
            {rollout.foundAt !== null && (
              <span className="faint">
                <AgeOf instant={rollout.foundAt} />
              </span>
            )}
          </h4>
          <ul className="findings">
            {rollout.findings.map(({ check, result, sentence }) => (
              <li key={check}>
                <Status tone={FINDING_TONES[result] ?? "idle"}>{check}:</Status> {sentence}
              </li>
            ))}
          </ul>
        </>
      )}
      {rollout.notes.length > 0 && (
        <>
          <h4>What happened</h4>
          <ol className="timeline">
            {rollout.notes.map(({ at, who, what }) => (
              <li key={`${at} ${what}`}>
                <span className="faint">
                  <AgeOf instant={at} />
                </span>{" "}
                <strong>{who}</strong> {withoutWho(what, who)}
              </li>
            ))}
          </ol>
        </>
      )}
    </>
  );
}

function waveClass({ wave, phase }: Rollout, number: number): string {
  if (phase === "promoted" || number < wave) return "wave past";
  return number === wave ? "wave present" : "wave future";
}

/** Some sentences of the history name who did it, as those of events do. */
const withoutWho = (what: string, who: string): string =>
  what.startsWith(`${who} `) ? what.slice(who.length + 1) : what;
