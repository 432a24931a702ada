/** `samlgate connection proposal …`: metadata that the holder of a setup link proposes. */
import type { Command } from 'commander';
import type { IdentityProvider, MetadataProposal } from '../../../client/api-types.ts';
import { collect } from '../../collect.ts';
import { CommandError, UsageError } from '../../command-error.ts';
import { confirm } from '../../confirm.ts';
import { connectAsOperator, type GatewayOptions, orUndefined, withGatewayOptions } from '../../gateway-api.ts';
import { plain, print, printFields, printLine, printTable } from '../../output.ts';

export function addProposals(connection: Command): void {
  const proposal = connection.command('proposal').description('accept or discard metadata that a setup link proposed (operator, or owner)');
  const add = (usage: string, description: string, example: string) =>
    withGatewayOptions(proposal.command(usage).description(description)).addHelpText(
      'after',
      `\nExample:\n  samlgate connection proposal ${example}`,
    );
  add('list <slug>', 'list the connections with proposed metadata', 'list acme').action(list);
  add('show <slug> <id>', 'show the metadata that is proposed for a connection', 'show acme con_…').action(show);
  add(
    'accept <slug> <id> <proposal>',
    'use the metadata that show printed, after you compared it with the identity provider',
    'accept acme con_… prp_… --fingerprint 3A:F1:…',
  )
    .option('--fingerprint <sha256>', 'SHA-256 fingerprint of a new certificate; name each of them (repeatable)', collect)
    .option('--metadata-url <url>', 'the proposed metadata URL, required if the connection has another one or none')
    .option('--yes', 'do not ask for confirmation')
    .action(accept);
  add('discard <slug> <id>', 'delete the proposed metadata and change nothing', 'discard acme con_…').alias('decline').action(discard);
}

async function list(slug: string, options: GatewayOptions): Promise<void> {
  const { connections } = connectAsOperator(options);
  const { items } = await connections.list(slug);
  const found = await Promise.all(
    items.map(async ({ id, name }) => {
      const proposal = await orUndefined(connections.getProposal(slug, id), 'not_found');
      return proposal && { connection: id, name, ...proposal };
    }),
  );
  const proposals = found.filter((each) => each !== undefined);
  print(options.json, proposals, () => {
    const columns = ['connection', 'name', 'entity_id', 'proposed_at', 'expires_at'];
    printTable(proposals, columns, `No metadata is proposed for ${slug}.`);
  });
}

async function show(slug: string, id: string, options: GatewayOptions): Promise<void> {
  const { connections } = connectAsOperator(options);
  const proposal = await connections.getProposal(slug, id);
  const present = await connections.get(slug, id);
  print(options.json, proposal, () => {
    const { certificates, ...fields } = proposal;
    printFields(fields);
    for (const { fingerprint_sha256, not_after, is_new } of certificates)
      printLine(`certificate ${fingerprint_sha256}, expires ${not_after}${is_new ? ', new' : ''}`);
    for (const effect of effectsOf(proposal, present)) printLine(`warning: ${effect}`);
  });
}

/** Returns what accepting a proposal changes beyond its values. */
function effectsOf(proposal: MetadataProposal, present: IdentityProvider): string[] {
  const { changes, certificates, metadata_url: url } = proposal;
  const effects: string[] = [];
  if (changes.includes('entity_id')) {
    effects.push(
      `This is another identity provider than ${present.entity_id}. Its users get new accounts, and current users can no longer sign in.`,
    );
  }
  if (certificates.some(({ is_new }) => is_new))
    effects.push(
      'A certificate is new. The holder of its key can sign in as any member. Compare its fingerprint with the identity provider before you accept it.',
    );
  if (changes.includes('single_sign_on')) {
    const [proposed, now] = [proposal, present].map(({ single_sign_on: { redirect, post } }) => listUrls([redirect, post]));
    effects.push(`Users are sent to other sign-in URLs: ${proposed}, now ${now}.`);
  }
  if (changes.includes('single_logout')) {
    const [proposed, now] = [proposal, present].map(({ single_logout: { redirect, post } }) =>
      listUrls([redirect?.location, redirect?.response_location, post?.location, post?.response_location]),
    );
    effects.push(`Single logout uses other URLs: ${proposed}, now ${now}.`);
  }
  if (changes.includes('metadata_url')) effects.push(...metadataUrlEffects(url, present.metadata_url));
  return effects;
}

const listUrls = (urls: readonly (string | undefined)[]): string =>
  [...new Set(urls)].filter((url) => url !== undefined).join(', ') || 'none';

function metadataUrlEffects(url: string | null, present: string | null): string[] {
  if (url === null) return [`Certificates are no longer read from ${present}.`];
  return [
    `Certificates are read from ${url} (now from ${present ?? 'no URL'}), once a day and whenever a response has an unknown key.`,
    'The server of this URL can add keys whose holders can sign in as any member. Check that it belongs to the identity provider.',
  ];
}

interface AcceptOptions extends GatewayOptions {
  readonly fingerprint?: string[];
  readonly metadataUrl?: string;
  readonly yes?: true;
}

/** Accepts only the proposal that the operator has seen. The holder of the setup link can replace it at any time. */
async function accept(
  slug: string,
  id: string,
  seen: string,
  { fingerprint = [], metadataUrl, yes, ...options }: AcceptOptions,
): Promise<void> {
  const { connections } = connectAsOperator(options);
  const proposal = await connections.getProposal(slug, id);
  if (proposal.id !== seen) {
    throw new CommandError(
      `The current proposal is ${proposal.id}, not ${seen}. Nothing was changed. Check it: samlgate connection proposal show ${slug} ${id}`,
    );
  }
  requireFingerprints(proposal, fingerprint);
  requireMetadataUrl(proposal, metadataUrl);
  const present = await connections.get(slug, id);
  const question = [...effectsOf(proposal, present), `Use the metadata of ${proposal.entity_id} for ${id}?`].join(' ');
  if (!yes && !(await confirm(plain(question)))) throw new CommandError('Nothing was changed.');
  const changed = await connections.acceptProposal(slug, id, seen, { metadata_url: metadataUrl });
  print(options.json, changed, () => printLine(`The proposed metadata is in use. Check it: samlgate connection test ${slug} ${id}`));
}

/** @throws UsageError for text that is no fingerprint; CommandError unless exactly the new certificates are named */
function requireFingerprints({ certificates }: MetadataProposal, given: readonly string[]): void {
  const named = new Set(given.map(readFingerprint));
  const added = certificates.filter(({ is_new }) => is_new).map(({ fingerprint_sha256 }) => fingerprint_sha256);
  const unknown = [...named].find((each) => !certificates.some(({ fingerprint_sha256 }) => readFingerprint(fingerprint_sha256) === each));
  if (unknown !== undefined) {
    throw new CommandError(
      `No proposed certificate has the fingerprint ${unknown}. Nothing was changed. Proposed: ${listOf(certificates)}`,
    );
  }
  const missing = added.filter((each) => !named.has(readFingerprint(each)));
  if (missing.length === 0) return;
  throw new CommandError(
    `Compare the new certificates with the identity provider, and name each with --fingerprint. Nothing was changed. Missing: ${missing.join(', ')}`,
  );
}

/** Checks what the gateway also checks. @throws CommandError unless a new metadata URL is named */
function requireMetadataUrl({ changes, metadata_url: url }: MetadataProposal, given: string | undefined): void {
  if (given === undefined ? url === null || !changes.includes('metadata_url') : given === url) return;
  throw new CommandError(
    given === undefined
      ? `The metadata URL ${url} is new. Check that it belongs to the identity provider, and name it with --metadata-url. Nothing was changed.`
      : `The proposed metadata URL is ${url ?? 'none'}, not ${given}. Nothing was changed.`,
  );
}

const listOf = (certificates: MetadataProposal['certificates']): string =>
  certificates.map(({ fingerprint_sha256 }) => fingerprint_sha256).join(', ');

/** Returns a SHA-256 fingerprint in upper case without colons. Shortened ones are refused, because they are easy to forge. */
function readFingerprint(text: string): string {
  const digits = text.replace(/[:\s]/g, '').toUpperCase();
  if (/^[0-9A-F]{64}$/.test(digits)) return digits;
  throw new UsageError(`--fingerprint ${JSON.stringify(text)} is not a SHA-256 fingerprint of 64 hexadecimal digits.`);
}

async function discard(slug: string, id: string, options: GatewayOptions): Promise<void> {
  const { connections } = connectAsOperator(options);
  const { id: proposal } = await connections.getProposal(slug, id);
  await connections.discardProposal(slug, id, proposal);
  print(options.json, { discarded: proposal }, () => printLine(`Discarded ${proposal}. The connection is unchanged.`));
}
