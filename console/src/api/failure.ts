/** An error answer of the API, with what to do about it. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;
  readonly fix: string;
  readonly requestId: string;
  readonly causes: readonly { readonly field: string; readonly message: string }[];

  constructor(status: number, problem: Readonly<Record<string, unknown>>) {
    const text = (name: string): string => (typeof problem[name] === "string" ? problem[name] : "");
    super(text("detail") || text("title") || `the control plane answered with status ${status}`);
    this.name = "ApiFailure";
    this.status = status;
    this.code = text("code");
    this.fix = text("fix");
    this.requestId = text("requestId");
    this.causes = Array.isArray(problem["causes"]) ? problem["causes"] : [];
  }
}

/** Reads the problem that an answer carries. */
export async function failureOf(response: Response): Promise<ApiFailure> {
  const body: unknown = await response.json().catch(() => ({}));
  return new ApiFailure(response.status, typeof body === "object" && body !== null ? { ...body } : {});
}
