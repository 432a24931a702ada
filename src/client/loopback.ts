/** Whether a host name of a URL is this machine. Nothing is looked up. */
export const isLoopbackHost = (hostname: string): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
