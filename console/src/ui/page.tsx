import type { ReactNode } from "react";

/** The head of a page: its title, a sentence, and its controls. */
export const PageHead = ({
  title,
  sentence,
  children,
}: {
  readonly title: ReactNode;
  readonly sentence?: ReactNode;
  readonly children?: ReactNode;
}) => (
  <div className="page-head">
    <div>
      <h1>{title}</h1>
      {sentence !== undefined && <p className="sentence">{sentence}</p>}
    </div>
    {children !== undefined && <div className="controls">{children}</div>}
  </div>
);

export const Section = ({ title, children }: { readonly title: string; readonly children: ReactNode }) => (
  <section aria-label={title}>
    <h2>{title}</h2>
    {children}
  </section>
);
