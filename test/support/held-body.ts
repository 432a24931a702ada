import { request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

export interface HeldRequest {
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface HeldAnswer {
  readonly status: number;
  /** Error code of problem+json or of an error page. */
  readonly code: string | undefined;
  readonly location: string | undefined;
  readonly text: string;
}

/** Longer than the gateway takes to check the caller of a request and to start reading its body. */
const HELD_MS = 400;

/**
 * Sends a request without the last byte of its body, and waits until the gateway has started to read it.
 * @returns a function that sends the last byte and resolves with the answer
 */
export async function holdBody(url: string, { method = 'POST', headers, body }: HeldRequest): Promise<() => Promise<HeldAnswer>> {
  const bytes = Buffer.from(body);
  const outgoing = request(url, { method, headers: { ...headers, 'content-length': String(bytes.length) } });
  const answer = new Promise<HeldAnswer>((resolve, reject) => {
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const code = /"code":"(\w+)"/.exec(text)?.[1] ?? /Code <code>(\w+)<\/code>/.exec(text)?.[1];
        resolve({ status: response.statusCode ?? 0, code, location: response.headers.location, text });
      });
    });
  });
  answer.catch(() => undefined); // reported when the answer is awaited
  outgoing.write(bytes.subarray(0, -1));
  await wait(HELD_MS);
  return () => {
    outgoing.end(bytes.subarray(-1));
    return answer;
  };
}
