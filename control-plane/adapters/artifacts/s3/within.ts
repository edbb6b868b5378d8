/** The options of a request that is called off after `ms`, with all its repetitions, or when `signal` is aborted. */
export function within(ms: number, signal?: AbortSignal): { readonly abortSignal: AbortSignal } {
  const deadline = AbortSignal.timeout(ms);
  return { abortSignal: signal ? AbortSignal.any([signal, deadline]) : deadline };
}
