import { createParser } from "eventsource-parser";
import { useEffect, useId, useRef, useState } from "react";
import { rateText } from "../../core/traffic-history.ts";
import { msText } from "../../core/text/units.ts";
import { Complaint } from "../../ui/states.tsx";
import { type AnswerFacts, Facts, factsOf } from "./answer-facts.tsx";
import { ask, nodeHeaders } from "./ask.ts";
import { Code, here } from "./code.tsx";

const PATH = "/v1/chat/completions";

interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

interface Pace {
  readonly firstMs: number;
  readonly pieces: number;
  readonly tookMs: number;
}

/** A conversation with a model of text; its answer comes as it is written. */
export function Chat({ model, node }: { readonly model: string; readonly node: string | undefined }) {
  const [messages, setMessages] = useState<readonly Message[]>([]);
  const [draft, setDraft] = useState("");
  const [maxTokens, setMaxTokens] = useState(256);
  const [facts, setFacts] = useState<AnswerFacts>();
  const [pace, setPace] = useState<Pace>();
  const [error, setError] = useState<unknown>();
  const running = useRef<AbortController | undefined>(undefined);
  const [isWriting, setWriting] = useState(false);
  const id = useId();
  useEffect(() => () => running.current?.abort(), []);

  const bodyOf = (all: readonly Message[]) => ({ model, messages: all, max_tokens: maxTokens, stream: true });
  const send = async (): Promise<void> => {
    const asked: readonly Message[] = [...messages, { role: "user", content: draft }];
    const controller = new AbortController();
    running.current = controller;
    setMessages([...asked, { role: "assistant", content: "" }]);
    setDraft("");
    setError(undefined);
    setFacts(undefined);
    setPace(undefined);
    setWriting(true);
    try {
      await answerTo(asked, controller.signal);
    } catch (thrown) {
      if (!controller.signal.aborted) setError(thrown);
    } finally {
      setWriting(false);
    }
  };

  const answerTo = async (asked: readonly Message[], signal: AbortSignal): Promise<void> => {
    const startedAt = performance.now();
    const response = await ask(PATH, { body: bodyOf(asked), headers: nodeHeaders(node), signal });
    const headMs = performance.now() - startedAt;
    let content = "";
    let pieces = 0;
    let firstMs = 0;
    const parser = createParser({
      onEvent({ data }) {
        if (data === "[DONE]") return;
        const event: ChatEvent = JSON.parse(data);
        if (event.error) throw new Error(event.error.message);
        const piece = event.choices?.[0]?.delta?.content ?? "";
        if (piece === "") return;
        if (pieces === 0) firstMs = performance.now() - startedAt;
        pieces += 1;
        content += piece;
      },
    });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done || value === undefined) break;
      parser.feed(value);
      setMessages([...asked, { role: "assistant", content }]);
      setPace({ firstMs, pieces, tookMs: performance.now() - startedAt });
    }
    setFacts(factsOf(response.headers, headMs, performance.now() - startedAt - headMs));
  };

  return (
    <form
      className="playground"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <ol className="messages" aria-label="Conversation" aria-live="polite" aria-busy={isWriting}>
        {messages.map(({ role, content }, at) => (
          <li key={at} className={role}>
            <span className="visually-hidden">{role === "user" ? "You: " : `${model}: `}</span>
            {content === "" ? "…" : content}
          </li>
        ))}
      </ol>
      {error !== undefined && <Complaint error={error} />}
      {pace && <PaceLine pace={pace} />}
      {facts && <Facts facts={facts} />}
      <label className="field" htmlFor={id}>
        <span>Message</span>
        <textarea id={id} rows={3} value={draft} onChange={(event) => setDraft(event.target.value)} />
      </label>
      <div className="controls">
        {isWriting ? (
          <button type="button" onClick={() => running.current?.abort()}>
            Stop
          </button>
        ) : (
          <button type="submit" className="primary" disabled={draft.trim() === ""}>
            Send
          </button>
        )}
        <label className="field inline" htmlFor={`${id}-most`}>
          <span>Longest answer, tokens</span>
          <input
            id={`${id}-most`}
            type="number"
            min={1}
            max={32_768}
            value={maxTokens}
            onChange={(event) => setMaxTokens(Math.max(1, Number(event.target.value)))}
          />
        </label>
        {messages.length > 0 && !isWriting && (
          <button type="button" className="quiet" onClick={() => setMessages([])}>
            Begin anew
          </button>
        )}
      </div>
      <Code
        request={{
          url: here(PATH),
          headers: nodeHeaders(node),
          body: { ...bodyOf([...messages, { role: "user", content: draft || "Hello" }]), stream: false },
        }}
      />
    </form>
  );
}

interface ChatEvent {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[];
  readonly error?: { readonly message: string };
}

/** An event holds a token as a rule; so its rate is that of tokens, within what models send together. */
function PaceLine({ pace: { firstMs, pieces, tookMs } }: { readonly pace: Pace }) {
  const restMs = tookMs - firstMs;
  return (
    <p className="faint">
      first piece after {msText(firstMs)}, {pieces} pieces
      {pieces > 1 && restMs > 0 && `, ${rateText(((pieces - 1) * 1_000) / restMs)} a second`}
    </p>
  );
}
