/** One request of the playground, for a program. */
export interface SampleRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

export type CodeLanguage = "curl" | "Node" | "Python";
export const LANGUAGES: readonly CodeLanguage[] = ["curl", "Node", "Python"];

/** A program that sends it. The key comes from the environment: what is copied ends in files and chats. */
export function codeFor(language: CodeLanguage, { url, headers, body }: SampleRequest): string {
  const extra = Object.entries(headers);
  switch (language) {
    case "curl":
      return [
        `curl -s ${quoted(url)} \\`,
        '  -H "Authorization: Bearer $SKERRY_API_KEY" -H "Content-Type: application/json" \\',
        ...extra.map(([name, value]) => `  -H ${quoted(`${name}: ${value}`)} \\`),
        `  -d ${quoted(JSON.stringify(body))}`,
      ].join("\n");
    case "Node":
      return [
        `const response = await fetch(${JSON.stringify(url)}, {`,
        '  method: "POST",',
        "  headers: {",
        "    Authorization: `Bearer ${process.env.SKERRY_API_KEY}`,",
        '    "Content-Type": "application/json",',
        ...extra.map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)},`),
        "  },",
        `  body: JSON.stringify(${JSON.stringify(body)}),`,
        "});",
        'console.log(response.headers.get("skerry-node"), await response.json());',
      ].join("\n");
    case "Python":
      return [
        "import json, os, urllib.request",
        "",
        "request = urllib.request.Request(",
        `    ${JSON.stringify(url)},`,
        `    data=json.dumps(json.loads(${JSON.stringify(JSON.stringify(body))})).encode(),`,
        "    headers={",
        '        "Authorization": f"Bearer {os.environ[\'SKERRY_API_KEY\']}",',
        '        "Content-Type": "application/json",',
        ...extra.map(([name, value]) => `        ${JSON.stringify(name)}: ${JSON.stringify(value)},`),
        "    },",
        ")",
        "with urllib.request.urlopen(request) as response:",
        '    print(response.headers["Skerry-Node"], json.load(response))',
      ].join("\n");
  }
}

/** One word of a shell, whatever it holds: the node's name comes from the page's address, which somebody else may have made. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
