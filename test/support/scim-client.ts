/** Calls the SCIM service of a gateway as an identity provider does. */
import type { GatewayUnderTest } from './identity-provider.ts';

export interface ScimAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: SCIM bodies have no fixed shape
  readonly body: any;
}

export interface ScimClient {
  readonly id: string;
  readonly token: string;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ScimAnswer>;
}

export const scimCall = async (
  url: string,
  token: string,
  { method, path, body, headers = {} }: { method: string; path: string; body?: unknown; headers?: Record<string, string> },
): Promise<ScimAnswer> => {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/scim+json',
      ...(body === undefined ? {} : { 'content-type': 'application/scim+json' }),
      ...headers,
    },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
};

/** Creates a SCIM token and returns a client with it. */
export async function makeScimClient(
  gateway: GatewayUnderTest,
  { slug }: { readonly slug: string },
  options: Record<string, unknown> = {},
): Promise<ScimClient> {
  const created = await gateway.api<{ id: string; token: string }>('POST', `/organizations/${slug}/scim-tokens`, {
    name: 'test',
    ...options,
  });
  if (created.status !== 201) throw new Error(`The SCIM token could not be created: ${JSON.stringify(created.body)}`);
  const { id, token } = created.body;
  return {
    id,
    token,
    call: (method, path, body, headers) =>
      scimCall(gateway.url, token, { method, path: `/scim/v2/${slug}${path}`, body, ...(headers ? { headers } : {}) }),
  };
}
