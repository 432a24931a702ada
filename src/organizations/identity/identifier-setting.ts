/** The setting `identifier` of a connection: which values it accepts, and which members a change affects. */
import { GatewayError } from '../../errors.ts';
import { type IdentifierSetting, isSameSource } from '../../saml/identifier/identifier.ts';
import { canIdentify } from '../../saml/identifier/identifier-attributes.ts';
import { NAME_ID_TRANSIENT } from '../../saml/names.ts';
import type { AttributeMapping } from '../../saml/response/attribute-mapping.ts';
import { eachRecord } from '../../store/each-record.ts';
import type { Store } from '../../store/store.ts';
import { MEMBERS } from '../members.ts';
import type { Connection } from '../organizations.ts';
import { isOfConnection } from './member-identity.ts';

/** @throws validation_failed for an identifier that several users can share or that changes at every sign-in */
export function requireUsableIdentifier(identifier: IdentifierSetting, mapping: AttributeMapping): void {
  if (identifier === 'auto') return;
  if ('name_id' in identifier) {
    if (identifier.name_id === NAME_ID_TRANSIENT) {
      throw new GatewayError('validation_failed', 'identifier: a transient NameID changes at every sign-in and identifies no user.');
    }
  } else if (!canIdentify(identifier.attribute, mapping)) {
    throw new GatewayError(
      'validation_failed',
      'identifier: groups, roles and names identify no user, because several users can share them.',
    );
  }
}

export interface IdentifierPreview {
  /** Members who are known by another identifier, so that their next sign-in creates a new member. */
  readonly affected: number;
  /** The suspended ones of them. */
  readonly suspended: number;
  /** Members whose identifier is determined at their next sign-in, because an earlier version stored them. */
  readonly undetermined: number;
  /** The organization has more members than were read. */
  readonly isPartial: boolean;
}

const MAX_MEMBERS = 20_000;

/** Counts the members that a change of the identifier affects. Reads at most 20,000 members. */
export async function previewIdentifier(
  store: Store,
  organizationId: string,
  {
    connection,
    setting,
    signal,
  }: { readonly connection: Connection; readonly setting: IdentifierSetting; readonly signal?: AbortSignal | undefined },
): Promise<IdentifierPreview> {
  const counts = { affected: 0, suspended: 0, undetermined: 0, isPartial: false };
  if (setting === 'auto') return counts;
  let members = 0;
  for await (const { value: member } of eachRecord(store, { partition: organizationId, collection: MEMBERS, index: 'email', signal })) {
    if (++members > MAX_MEMBERS) return { ...counts, isPartial: true };
    if (!isOfConnection(member, connection)) continue;
    if (!member.identifier) counts.undetermined++;
    else if (!isSameSource(member.identifier.source, setting)) {
      counts.affected++;
      if (member.suspended) counts.suspended++;
    }
  }
  return counts;
}
