interface Page {
  readonly status: number;
  readonly url: string;
  readonly headers: Headers;
  readonly text: string;
}

/** Follows redirects and keeps cookies, of each origin apart. */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();
  readonly #accept: string;

  /** `accept`: of every request. Browsers ask for `text/html` first. */
  constructor(accept = "*/*") {
    this.#accept = accept;
  }

  /** Goes to the address and on to where it is sent, except to what `isEnd` says: then the redirect itself is the page. */
  async open(url: string, isEnd: (location: string) => boolean = () => false, form?: URLSearchParams): Promise<Page> {
    let next = { url, form };
    for (let hop = 0; hop < 20; hop += 1) {
      const { origin } = new URL(next.url);
      const response = await fetch(next.url, {
        redirect: "manual",
        headers: { Cookie: this.#cookieOf(origin), Accept: this.#accept },
        ...(next.form && { method: "POST", body: next.form }),
      });
      this.#keep(origin, response.headers.getSetCookie());
      const page = { status: response.status, url: next.url, headers: response.headers, text: await response.text() };
      const location = response.headers.get("location");
      if (location === null || isEnd(location)) return page;
      next = { url: new URL(location, next.url).href, form: undefined };
    }
    throw new Error(`${url} leads from one page to the next without end`);
  }

  /** Sends the form of a page with what it says itself, and with `more`. */
  submit(page: Page, more: Readonly<Record<string, string>> = {}): Promise<Page> {
    const [, action = ""] = /<form[^>]*action="([^"]+)"/.exec(page.text) ?? [];
    const inputs = [...page.text.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]): [string, string] => [
      /name="([^"]*)"/.exec(input)?.[1] ?? "",
      /value="([^"]*)"/.exec(input)?.[1] ?? "",
    ]);
    return this.open(
      new URL(action, page.url).href,
      undefined,
      new URLSearchParams({ ...Object.fromEntries(inputs), ...more }),
    );
  }

  /** Changes a cookie, as a person with tools may. */
  tamper(origin: string, name: string, change: (value: string) => string): void {
    const cookies = this.#cookies.get(origin);
    cookies?.set(name, change(cookies.get(name) ?? ""));
  }

  #cookieOf(origin: string): string {
    return [...(this.#cookies.get(origin) ?? [])].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  #keep(origin: string, set: readonly string[]): void {
    const cookies = this.#cookies.get(origin) ?? new Map<string, string>();
    this.#cookies.set(origin, cookies);
    for (const line of set) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "" || /Max-Age=0|expires=Thu, 01 Jan 1970/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
  }
}
