/** Compares a connection with the entry of an organization file. */
import { isDeepStrictEqual } from 'node:util';
import type { IdentityProvider } from '../../client/api-types.ts';
import { settingsOf, withoutUndefined } from './file.ts';
import { IDENTITY_PROVIDER_LABEL, type Target } from './targets.ts';

export type Fields = Record<string, unknown>;

/** Returns whether two connections have the same identity provider: entity ID, endpoints and certificates. */
export const isSameIdentityProvider = (one: IdentityProvider, other: IdentityProvider): boolean =>
  isDeepStrictEqual(identityOf(one), identityOf(other));

const identityOf = (idp: IdentityProvider): unknown => [
  idp.entity_id,
  idp.single_sign_on,
  idp.single_logout,
  idp.certificates,
  idp.want_authn_requests_signed,
  idp.name_id_formats,
  idp.metadata_url,
  // A document at a URL may be valid for some days from each fetch. The gateway fetches it again by itself.
  idp.metadata_url === null ? idp.valid_until : null,
];

/** Returns whether the file keeps the members, and the draft with its metadata already waits for an owner's test. */
export const isWaitingForTest = ({ entry, read, replacement }: Target): boolean =>
  entry.on_new_entity_id === 'keep' && read !== undefined && replacement !== undefined && isSameIdentityProvider(replacement, read);

export interface ConnectionChanges {
  readonly description: string;
  readonly body: Fields;
  /** What the gateway can check before the metadata is saved. */
  readonly checkedBody: Fields;
}

/** Returns the fields of a connection that differ from the file. A new connection is a draft with default settings. */
export function connectionChanges({ entry, present, read, label }: Target): ConnectionChanges {
  const { name, state, is_default, keep_sessions } = entry;
  const before: Fields | undefined = present ? { ...present, ...(read ? settingsIn(read, present, entry) : {}) } : undefined;
  const desired = withoutUndefined({ ...settingsOf(entry), ...(present ? { name } : {}), state, is_default });
  const isDifferent = (field: string, value: unknown) =>
    before ? !isDeepStrictEqual(before[field], value) : !(field === 'state' && value === 'draft');
  const changed = Object.fromEntries(Object.entries(desired).filter(([field, value]) => isDifferent(field, value)));
  const body = changed.state === 'disabled' && keep_sessions !== undefined ? { ...changed, keep_sessions } : changed;
  const { metadata_refresh_hours, ...checked } = body;
  const isUrlNew = entry.metadata_url !== undefined && present?.metadata_url !== entry.metadata_url;
  return { description: describe(changed, label), body, checkedBody: present && isUrlNew ? checked : body };
}

/**
 * Returns the settings that new metadata changes: another identity provider has no identifier yet, unless it waits in a draft until its
 * test. The fields that metadata does not decide, such as the name, stay.
 */
function settingsIn(read: IdentityProvider, present: IdentityProvider, { on_new_entity_id }: Target['entry']): Fields {
  const isDraft = on_new_entity_id === 'keep' && read.members !== undefined;
  return { identifier: (isDraft ? present : read).identifier, metadata_refresh_hours: read.metadata_refresh_hours };
}

function describe(changed: Fields, label: string): string {
  const { state, is_default, ...fields } = changed;
  const parts = [
    ...(Object.keys(fields).length > 0 ? [`set ${Object.keys(fields).join(', ')}`] : []),
    ...(state === 'active'
      ? ['activate it']
      : state === 'disabled'
        ? ['disable it']
        : state === undefined
          ? []
          : [`set state ${String(state)}`]),
    ...(is_default ? ['make it the default connection'] : []),
  ].join(', ');
  return label === IDENTITY_PROVIDER_LABEL && state === undefined ? parts : `${parts} (${label})`;
}
