/** Names of what an `Accept-Encoding` takes, in lower case; without those of quality 0. */
export const acceptedEncodings = (accepted: string | undefined): ReadonlySet<string> =>
  new Set(
    (accepted ?? "")
      .split(",")
      .map((each) => each.trim().split(";"))
      .filter(([, quality]) => !/^\s*q=0(\.0+)?\s*$/.test(quality ?? ""))
      .map(([name = ""]) => name.trim().toLowerCase()),
  );
