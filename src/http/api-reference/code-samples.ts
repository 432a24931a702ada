/** The curl and TypeScript examples of the API reference. */
import type { OperationDescription } from '../api/operation.ts';

const ORG = 'acme';
const CON = 'con_2m8q4v7c1x9z3b6n0d5k';
const USR = 'usr_7d3k9x2m4q8v1c6z0b5n';
const LNK = 'lnk_01kfz7q8v1c7x9z3b6n0d';
const TOK = 'tok_4q8v1c7x9z3b6n0d5k2m';
const PRP = 'prp_01kfz7q8v1c7x9z3b6n0d';
const REQ = 'req_9z3b6n0d5k2m4q8v1c7x';
const CHG = 'chg_6n0d5k2m4q8v1c7x9z3b';
const METADATA_URL = 'https://idp.acme.example/saml/metadata';

interface Sample {
  readonly query?: Readonly<Record<string, string>>;
  /** The JSON or the form fields of the request. */
  readonly body?: unknown;
  /** The file that is the body. */
  readonly file?: string;
  /** A call of `samlgate/client`. Without it, the example uses `client.call()`. */
  readonly client?: string;
}

/** Examples by operation ID. An operation without a body, a query or a method of the client needs none. */
const SAMPLES: Readonly<Record<string, Sample>> = {
  getMe: { client: 'const { user, organization } = await client.me();' },
  createSessionToken: {
    body: { audience: 'https://app.acme.example' },
    client: "const { token } = await client.sessionToken('https://app.acme.example');",
  },
  listTokens: { client: 'for await (const token of client.tokens.list()) console.log(token.name);' },
  createToken: {
    body: { name: 'ci', expires_in_days: 30 },
    client: "const { token } = await client.tokens.create({ name: 'ci', expires_in_days: 30 });",
  },
  revokeToken: { client: `await client.tokens.revoke('${TOK}');` },
  rotateTokens: { body: { name: 'ci' }, client: "const { revoked, token } = await client.tokens.rotate('ci');" },
  listMembers: {
    query: { query: 'ada' },
    client: `for await (const member of client.members.list('${ORG}', { query: 'ada' })) console.log(member.email, member.role);`,
  },
  getMember: { client: `const member = await client.members.get('${ORG}', '${USR}');` },
  changeMember: {
    body: { suspended: true },
    client: `const member = await client.members.change('${ORG}', '${USR}', { suspended: true });`,
  },
  removeMember: { client: `await client.members.remove('${ORG}', '${USR}');` },
  rotateMemberTokens: { client: `const { revoked } = await client.members.rotateTokens('${ORG}', '${USR}');` },
  listOrganizations: { client: 'for await (const organization of client.organizations.list()) console.log(organization.slug);' },
  createOrganization: {
    body: { slug: ORG, name: 'Acme Corp', contact_email: 'it@acme.example' },
    client: `const organization = await client.organizations.create({
  slug: '${ORG}',
  name: 'Acme Corp',
  contact_email: 'it@acme.example',
});`,
  },
  getOrganization: { client: `const organization = await client.organizations.get('${ORG}');` },
  changeOrganization: {
    body: { allowed_return_urls: ['https://app.acme.example/signed-in'] },
    client: `const organization = await client.organizations.change('${ORG}', {
  allowed_return_urls: ['https://app.acme.example/signed-in'],
});`,
  },
  deleteOrganization: { client: `await client.organizations.remove('${ORG}');` },
  getLogo: { client: `const { url, width, height } = await client.logo.get('${ORG}');` },
  setLogo: {
    file: 'logo.png',
    client: `const { readFile } = await import('node:fs/promises');
const { url } = await client.logo.set('${ORG}', await readFile('logo.png'));`,
  },
  removeLogo: { client: `await client.logo.remove('${ORG}');` },
  listDomains: { client: `const domains = await client.domains.list('${ORG}');` },
  addDomain: { body: { domain: 'acme.example' }, client: `const { record } = await client.domains.add('${ORG}', 'acme.example');` },
  verifyDomain: { body: {}, client: `const { state } = await client.domains.verify('${ORG}', 'acme.example');` },
  removeDomain: { client: `await client.domains.remove('${ORG}', 'acme.example');` },
  getIdentityProvider: { client: `const identityProvider = await client.identityProvider.get('${ORG}');` },
  setIdentityProvider: {
    body: { metadata_url: METADATA_URL },
    client: `const identityProvider = await client.identityProvider.set('${ORG}', {
  metadata_url: '${METADATA_URL}',
});`,
  },
  changeIdentityProviderSettings: {
    body: { require_signed_response: true },
    client: `const identityProvider = await client.identityProvider.change('${ORG}', { require_signed_response: true });`,
  },
  removeIdentityProvider: { client: `await client.identityProvider.remove('${ORG}');` },
  listConnections: { client: `const { items } = await client.connections.list('${ORG}');` },
  createConnection: {
    body: { name: 'Okta', metadata_url: METADATA_URL },
    client: `const connection = await client.connections.create('${ORG}', 'Okta', {
  metadata_url: '${METADATA_URL}',
});`,
  },
  getConnection: { client: `const connection = await client.connections.get('${ORG}', '${CON}');` },
  setConnectionMetadata: {
    body: { metadata_url: METADATA_URL },
    client: `const connection = await client.connections.setMetadata('${ORG}', '${CON}', {
  metadata_url: '${METADATA_URL}',
});`,
  },
  changeConnection: {
    body: { state: 'active' },
    client: `const connection = await client.connections.change('${ORG}', '${CON}', { state: 'active' });`,
  },
  removeConnection: { client: `await client.connections.remove('${ORG}', '${CON}');` },
  getMetadataProposal: { client: `const proposal = await client.connections.getProposal('${ORG}', '${CON}');` },
  acceptMetadataProposal: {
    body: { proposal: PRP },
    client: `const connection = await client.connections.acceptProposal('${ORG}', '${CON}', '${PRP}');`,
  },
  discardMetadataProposal: { body: { proposal: PRP }, client: `await client.connections.discardProposal('${ORG}', '${CON}', '${PRP}');` },
  previewChange: { body: { on_new_entity_id: 'link_by_email' } },
  listPendingMembers: {
    client: `for await (const member of client.connections.pendingMembers.list('${ORG}', '${CON}')) console.log(member.email);`,
  },
  approveLink: {
    body: { link_request: REQ },
    client: `const member = await client.connections.pendingMembers.approve('${ORG}', '${CON}', {
  member: '${USR}',
  linkRequest: '${REQ}',
});`,
  },
  declineLink: {
    body: { link_request: REQ },
    client: `const member = await client.connections.pendingMembers.decline('${ORG}', '${CON}', {
  member: '${USR}',
  linkRequest: '${REQ}',
});`,
  },
  revokePendingMembers: {
    body: { change: CHG },
    client: `await client.connections.pendingMembers.revoke('${ORG}', '${CON}', '${CHG}');`,
  },
  getRoleMapping: { client: `const { rules, default_role } = await client.roleMapping.get('${ORG}');` },
  setRoleMapping: {
    body: { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'collaborator' },
    client: `const saved = await client.roleMapping.set('${ORG}', {
  rules: [{ group: 'platform-admins', role: 'owner' }],
  default_role: 'collaborator',
});`,
  },
  listSetupLinks: { client: `for await (const link of client.setupLinks.list('${ORG}')) console.log(link.id, link.expires_at);` },
  createSetupLink: {
    body: { expires_in_days: 3 },
    client: `const { url } = await client.setupLinks.create('${ORG}', { expires_in_days: 3 });`,
  },
  revokeSetupLink: { client: `await client.setupLinks.revoke('${ORG}', '${LNK}');` },
  createScimToken: { body: { name: 'Okta' } },
  approveProvisioning: { body: { conflict: REQ } },
  declineProvisioning: { body: { conflict: REQ } },
  listSignIns: { query: { outcome: 'refused', limit: '20' } },
  listAudit: {
    query: { since: '2026-03-01T00:00:00Z' },
    client: `for await (const entry of client.audit.list('${ORG}')) console.log(entry.at, entry.event);`,
  },
  listKeys: { client: 'const keys = await client.keys.list();' },
  rotateKeys: { client: 'const key = await client.keys.rotate();' },
  revokeKey: { client: "const { revoked_tokens } = await client.keys.revoke('k_7d3k9x2m');" },
  startDeviceLogin: { body: { client_id: 'samlgate-cli' } },
  getToken: {
    body: { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: 'GmRhm…', client_id: 'samlgate-cli' },
  },
  introspectToken: { body: { token: 'TOKEN' } },
  revokeHeldToken: { body: { token: 'TOKEN' } },
  verify: { query: { organization: ORG, role: 'owner' } },
};

/** IDs of the last resource in a path, by the collection that contains it. */
const PATH_IDS: Readonly<Record<string, string>> = {
  members: USR,
  'pending-members': USR,
  conflicts: USR,
  tokens: TOK,
  'setup-links': LNK,
  'scim-tokens': TOK,
  'sign-ins': 'att_01kfz7q8v1c7x9z3b6n0d',
};
const PATH_VALUES: Readonly<Record<string, string>> = { org: ORG, con: CON, kid: 'k_7d3k9x2m', domain: 'acme.example' };

export const examplePath = (path: string): string =>
  path.replace(
    /([\w-]+)\/\{(\w+)\}/g,
    (_, collection: string, name: string) => `${collection}/${PATH_VALUES[name] ?? PATH_IDS[collection] ?? 'ID'}`,
  );

/** Returns the query and the body or file of the example of an operation. */
export const exampleInput = ({ id }: OperationDescription): Pick<Sample, 'query' | 'body' | 'file'> => SAMPLES[id] ?? {};

const isForm = ({ body }: OperationDescription): boolean => body?.content['application/x-www-form-urlencoded'] !== undefined;

/** Returns a shell command. All its variables are those of the command line. */
export function curlOf(row: OperationDescription): string {
  const { query, body, file } = exampleInput(row);
  const search = query ? `?${new URLSearchParams(query)}` : '';
  const method = row.method === 'get' || (row.method === 'post' && body !== undefined) ? '' : ` -X ${row.method.toUpperCase()}`;
  const token = row.who === 'operator' ? '$SAMLGATE_OPERATOR_TOKEN' : '$SAMLGATE_CLI_TOKEN';
  return [
    `curl --fail-with-body${method} "$SAMLGATE_URL${examplePath(row.path)}${search}"`,
    ...(row.who === 'public' ? [] : [`-H "Authorization: Bearer ${token}"`]),
    ...(body === undefined ? [] : bodyArguments(row, body)),
    ...(file === undefined ? [] : ["-H 'Content-Type: application/octet-stream'", `--data-binary @${file}`]),
  ].join(' \\\n  ');
}

function bodyArguments(row: OperationDescription, body: unknown): string[] {
  if (isForm(row)) return Object.entries(body as Record<string, string>).map(([name, value]) => `--data-urlencode '${name}=${value}'`);
  return ["-H 'Content-Type: application/json'", `-d '${JSON.stringify(body)}'`];
}

/** Returns a call of `samlgate/client`. */
export function typescriptOf(row: OperationDescription): string {
  const { client, query, body } = SAMPLES[row.id] ?? {};
  if (client !== undefined) return client;
  const options = [
    ...(query ? [`query: ${literal(query)}`] : []),
    ...(body === undefined ? [] : [`body: ${isForm(row) ? `new URLSearchParams(${literal(body)})` : literal(body)}`]),
  ];
  const list = [`'${row.method.toUpperCase()}'`, `'${examplePath(row.path)}'`, ...(options.length ? [`{ ${options.join(', ')} }`] : [])];
  return `${row.answer ? 'const answer = ' : ''}await client.call(${list.join(', ')});`;
}

/** Writes an object with string values as TypeScript. */
const literal = (value: unknown): string => {
  const fields = Object.entries(value as Record<string, string>).map(([name, text]) => `${name}: '${text}'`);
  return `{ ${fields.join(', ')} }`;
};
