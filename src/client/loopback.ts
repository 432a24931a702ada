/** Checks whether the host name of a URL is this machine, without a DNS lookup. */
export const isLoopbackHost = (hostname: string): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
