/** The settings of a connection as options of the command line. */
import type { Command } from 'commander';
import type { ConnectionChanges, IdentityProvider, IdentityProviderSettings } from '../client/api-types.ts';
import type { EntityIdDecision } from '../client/connections.ts';
import { collect } from './collect.ts';
import { UsageError } from './command-error.ts';
import { optionWithValues } from './help.ts';

/** A setting that is missing here does not compile. */
const SETTINGS: Readonly<Record<keyof IdentityProviderSettings, true>> = {
  idp_initiated: true,
  attribute_mapping: true,
  clock_skew_seconds: true,
  require_signed_assertion: true,
  require_signed_response: true,
  require_encrypted_assertion: true,
  sign_requests: true,
  name_id_format: true,
  identifier: true,
  allow_create: true,
  force_authn: true,
  authn_context: true,
  metadata_refresh_hours: true,
  email_domains: true,
};

export const CONNECTION_SETTINGS = Object.keys(SETTINGS) as (keyof IdentityProviderSettings)[];

/** The word that restores the default of a setting. */
const DEFAULT = 'default';
/** What happens to members if the metadata is that of another identity provider. */
export const ENTITY_ID_DECISIONS = ['keep', 'link_by_email', 'new_accounts'] satisfies EntityIdDecision[];
const BOOLEAN = ['true', 'false'];
const BOOLEAN_OR_DEFAULT = [...BOOLEAN, DEFAULT];
const IDP_INITIATED = ['accept', 'bounce', 'reject'] satisfies IdentityProvider['idp_initiated'][];

/** Adds an option for each setting. */
export const withSettingOptions = (command: Command): Command =>
  command
    .option('--identifier <source>', `what identifies users: attribute:NAME, name_id:FORMAT, or auto`)
    .option('--email-domain <domain>', 'email domain whose sign-ins use it (repeatable; replaces the former domains)', collect)
    .option('--no-email-domain', 'remove all email domains')
    .option('--email-attribute <name>', 'attribute with the email address (repeatable; default: well-known names)', collect)
    .option('--name-attribute <name>', 'attribute with the name (repeatable; default: well-known names)', collect)
    .option('--groups-attribute <name>', 'attribute with the groups (repeatable; default: well-known names)', collect)
    .addOption(optionWithValues('--idp-initiated <how>', 'sign-ins that start at the identity provider', IDP_INITIATED))
    .option('--clock-skew-seconds <seconds>', 'allowed clock difference, 0 to 300')
    .addOption(optionWithValues('--require-signed-assertion <boolean>', 'require a signature on the assertion itself', BOOLEAN))
    .addOption(optionWithValues('--require-signed-response <boolean>', 'require a signature on the response itself', BOOLEAN))
    .addOption(optionWithValues('--require-encrypted-assertion <boolean>', 'reject assertions that are not encrypted', BOOLEAN))
    .addOption(optionWithValues('--sign-requests <boolean>', 'sign AuthnRequests, or default to follow the metadata', BOOLEAN_OR_DEFAULT))
    .option('--name-id-format <format>', 'NameID format to request and require, or default for none')
    .addOption(optionWithValues('--allow-create <boolean>', 'let the identity provider create an identifier', BOOLEAN_OR_DEFAULT))
    .addOption(optionWithValues('--force-authn <boolean>', 'request that users authenticate again', BOOLEAN))
    .option('--authn-context <class>', 'authentication context class to request (repeatable; replaces the former ones)', collect)
    .option('--no-authn-context', 'request no authentication context class')
    .option('--metadata-refresh-hours <hours>', 'how often to fetch the metadata, or default to turn it off');

export interface SettingOptions {
  readonly identifier?: string;
  /** False: cleared. */
  readonly emailDomain?: string[] | false;
  readonly emailAttribute?: string[];
  readonly nameAttribute?: string[];
  readonly groupsAttribute?: string[];
  readonly idpInitiated?: string;
  readonly clockSkewSeconds?: string;
  readonly requireSignedAssertion?: string;
  readonly requireSignedResponse?: string;
  readonly requireEncryptedAssertion?: string;
  readonly signRequests?: string;
  readonly nameIdFormat?: string;
  readonly allowCreate?: string;
  readonly forceAuthn?: string;
  readonly authnContext?: string[] | false;
  readonly metadataRefreshHours?: string;
}

/**
 * Returns the changes that the options request. The gateway validates the values.
 * @param present the attribute mapping to which the options add
 * @throws UsageError for a value that has the wrong type
 */
export function readSettingOptions(options: SettingOptions, present: IdentityProvider['attribute_mapping']): ConnectionChanges {
  const { emailAttribute: email, nameAttribute: name, groupsAttribute: groups } = options;
  const mapping = withoutUndefined({
    ...present,
    ...withoutUndefined({ email: orAbsent(email), name: orAbsent(name), groups: orAbsent(groups) }),
  });
  const isMapped = email !== undefined || name !== undefined || groups !== undefined;
  const changes = {
    identifier: options.identifier === undefined ? undefined : readIdentifier(options.identifier),
    email_domains: options.emailDomain === false ? [] : options.emailDomain,
    attribute_mapping: isMapped ? Object.fromEntries(Object.entries(mapping).filter(([, names]) => names !== null)) : undefined,
    idp_initiated: options.idpInitiated,
    clock_skew_seconds: readNumber('--clock-skew-seconds', options.clockSkewSeconds),
    require_signed_assertion: readBoolean('--require-signed-assertion', options.requireSignedAssertion),
    require_signed_response: readBoolean('--require-signed-response', options.requireSignedResponse),
    require_encrypted_assertion: readBoolean('--require-encrypted-assertion', options.requireEncryptedAssertion),
    sign_requests: orNull(options.signRequests, (text) => readBoolean('--sign-requests', text)),
    name_id_format: orNull(options.nameIdFormat, (text) => text),
    allow_create: orNull(options.allowCreate, (text) => readBoolean('--allow-create', text)),
    force_authn: readBoolean('--force-authn', options.forceAuthn),
    authn_context: options.authnContext === false ? [] : options.authnContext,
    metadata_refresh_hours: orNull(options.metadataRefreshHours, (text) => readNumber('--metadata-refresh-hours', text)),
  } satisfies Record<keyof IdentityProviderSettings, unknown>;
  return withoutUndefined(changes) as ConnectionChanges;
}

const withoutUndefined = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** `default` as the only name removes the names of a field. Null stands for that. */
const orAbsent = (names: readonly string[] | undefined): readonly string[] | null | undefined =>
  names?.length === 1 && names[0] === DEFAULT ? null : names;

const orNull = <T>(text: string | undefined, read: (text: string) => T): T | null | undefined =>
  text === undefined ? undefined : text === DEFAULT ? null : read(text);

function readIdentifier(text: string): unknown {
  const [, kind = '', value = ''] = /^(attribute|name_id):(.+)$/s.exec(text) ?? [];
  if (text === 'auto') return 'auto';
  if (kind === '')
    throw new UsageError(`--identifier ${JSON.stringify(text)} is not auto, attribute:NAME or name_id:FORMAT. Example: attribute:uid`);
  return { [kind]: value };
}

function readBoolean(option: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (text !== 'true' && text !== 'false') throw new UsageError(`${option} ${JSON.stringify(text)} is not true or false.`);
  return text === 'true';
}

function readNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new UsageError(`${option} ${JSON.stringify(text)} is not a whole number.`);
  return Number(text);
}
