import { useState } from "react";
import { codeFor, LANGUAGES, type CodeLanguage, type SampleRequest } from "../../core/playground/code-samples.ts";
import { CopyText } from "../../ui/copy.tsx";

/** The same request for a program. */
export function Code({ request }: { readonly request: SampleRequest }) {
  const [language, setLanguage] = useState<CodeLanguage>("curl");
  return (
    <details className="code">
      <summary>As a program</summary>
      <div role="group" aria-label="Language">
        {LANGUAGES.map((each) => (
          <button
            key={each}
            type="button"
            className="toggle"
            aria-pressed={each === language}
            onClick={() => setLanguage(each)}
          >
            {each}
          </button>
        ))}
      </div>
      <CopyText text={codeFor(language, request)} label={`The request in ${language}`} />
    </details>
  );
}

/** Where a program reaches the same control plane. */
export const here = (path: string): string => new URL(path, window.location.href).href;
