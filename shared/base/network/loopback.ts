/** Whether only programs on this machine reach the address, as far as its text tells: names are not looked up. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
