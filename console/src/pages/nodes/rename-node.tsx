import { useId, useState } from "react";
import { api } from "../../api/client.ts";
import type { Node } from "../../api/types.ts";
import { ConfirmButton } from "../../ui/dialog.tsx";

/** Gives a node another name. The page of the node follows by itself, see `node-page.tsx`. */
export function RenameNode({ node }: { readonly node: Node }) {
  const [name, setName] = useState(node.name);
  const id = useId();
  const path = { node: node.name };
  const rename = async (): Promise<void> => {
    // By its ETag it is refused when somebody changes the node meanwhile.
    const { response } = await api.GET("/api/v1/nodes/{node}", { params: { path } });
    const etag = response.headers.get("etag");
    await api.PATCH("/api/v1/nodes/{node}", {
      params: { path },
      body: { name: name.trim() },
      ...(etag !== null && { headers: { "If-Match": etag } }),
    });
  };
  return (
    <ConfirmButton
      label="Rename"
      title={`Rename ${node.name}`}
      confirm="Rename"
      run={rename}
      onOpen={() => setName(node.name)}
    >
      <label className="field" htmlFor={id}>
        <span>Name</span>
        <input
          id={id}
          type="text"
          required
          maxLength={63}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <p>
        Its key, its models and its history stay. Selectors and files that name it do not follow: you change them
        yourself.
      </p>
    </ConfirmButton>
  );
}
