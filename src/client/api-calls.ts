/** The calls of the JSON API that a client's methods are made of. */
import { type ListPage, PagedList } from './paged-list.ts';
import { SamlgateError } from './samlgate-error.ts';
import { type CallOptions, type Connection, sendRequest } from './send-request.ts';

/** Sends requests to `/api/v1`. The JSON of responses is trusted to have the type that the gateway's OpenAPI document states. */
export class Api {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  call(method: string, path: string, options?: CallOptions): Promise<unknown> {
    return sendRequest(this.#connection, method, path, options);
  }

  async get<T>(segments: readonly string[], query?: CallOptions['query']): Promise<T> {
    return (await this.call('GET', pathOf(segments), { query })) as T;
  }

  async send<T>(method: string, segments: readonly string[], body?: unknown, options: CallOptions = {}): Promise<T> {
    return (await this.call(method, pathOf(segments), { ...options, body })) as T;
  }

  list<T>(segments: readonly string[], query: CallOptions['query'] = {}): PagedList<T> {
    const path = pathOf(segments);
    return new PagedList<T>(async (cursor, limit) => (await this.call('GET', path, { query: { ...query, cursor, limit } })) as ListPage<T>);
  }
}

/** Encodes each segment, so that a name can't add segments to the path. @throws SamlgateError argument_invalid */
function pathOf(segments: readonly string[]): string {
  for (const segment of segments) {
    // URL parsing would resolve these to another resource.
    if (['', '.', '..'].includes(segment)) {
      throw new SamlgateError({
        code: 'argument_invalid',
        title: `${JSON.stringify(segment)} is not a valid name or id`,
        detail: 'Names and ids must not be empty, “.” or “..”.',
      });
    }
  }
  return `/api/v1/${segments.map(encodeURIComponent).join('/')}`;
}
