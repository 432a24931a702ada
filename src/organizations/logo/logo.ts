/**
 * The logo of an organization, which pages show beside its name. It has a record of its own, because every sign-in reads the record of
 * the organization.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { sha256 } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { confirmReplicated } from '../../store/confirm-replicated.ts';
import type { Collection, Store } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../organizations.ts';
import { type ImageHeader, readImageHeader } from './image-header.ts';

export interface Logo extends ImageHeader {
  /** The image, as base64. */
  readonly data: string;
  /** SHA-256 of the image, part of its address. */
  readonly hash: string;
  /** RFC 3339, UTC. */
  readonly updatedAt: string;
}

export const MAX_LOGO_OCTETS = 64 * 1024;
export const MAX_LOGO_PIXELS = 1024;

/** Deleted with the partition of the organization. */
export const LOGO: Collection<Logo> = { name: 'logo', indexes: {}, unique: {} };
export const LOGO_RECORD = 'logo';

export const findLogo = async (store: Store, organizationId: string): Promise<Logo | undefined> =>
  (await store.get(organizationId, LOGO, LOGO_RECORD))?.value;

/** Returns the path of a logo. It contains the hash, so that browsers can keep the image forever. */
export const logoPath = (slug: string, { hash }: Logo): string => `/saml/${slug}/logo/${hash}`;

/** Returns whether a stored image is still the one that was checked when it was saved. Strangers can download it. */
export function isIntact({ data, hash, type }: Partial<Logo>): boolean {
  const octets = Buffer.from(typeof data === 'string' ? data : '', 'base64');
  return sha256(octets) === hash && readImageHeader(octets)?.type === type;
}

/** @throws payload_too_large, validation_failed */
function requireLogo(octets: Uint8Array): ImageHeader {
  if (octets.length > MAX_LOGO_OCTETS) throw new GatewayError('payload_too_large', { variant: 'logo_too_large' });
  const header = readImageHeader(octets);
  if (!header) {
    throw new GatewayError(
      'validation_failed',
      'This is not a PNG, JPEG or WebP image, or it is animated or damaged. SVG is not accepted.',
    );
  }
  const { width, height } = header;
  if (Math.min(width, height) < 1 || Math.max(width, height) > MAX_LOGO_PIXELS) {
    const limit = `${MAX_LOGO_PIXELS} × ${MAX_LOGO_PIXELS}`;
    throw new GatewayError('validation_failed', `The image has ${width} × ${height} pixels. At most ${limit} are allowed.`);
  }
  return header;
}

export interface NewLogo {
  readonly organizationId: string;
  readonly octets: Uint8Array;
}

/**
 * Sets the logo of an organization. Setting the same image again changes nothing.
 * @throws payload_too_large, validation_failed, organization_unknown, conflict
 */
export async function setLogo(runtime: Runtime, actor: Actor, { organizationId, octets }: NewLogo): Promise<Logo> {
  const { store } = runtime;
  const header = requireLogo(octets);
  const nowMs = runtime.now();
  const value: Logo = { ...header, data: Buffer.from(octets).toString('base64'), hash: sha256(octets), updatedAt: toIsoTime(nowMs) };
  return compareAndSet(async () => {
    const before = await store.get(organizationId, LOGO, LOGO_RECORD);
    if (before?.value.hash === value.hash) {
      await confirmReplicated(store, organizationId);
      return before.value;
    }
    const record = { collection: LOGO, id: LOGO_RECORD, value };
    const { type, width, height } = header;
    const steps = [
      // A deletion of the organization that runs meanwhile would miss the record.
      { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD } as const,
      before ? ({ do: 'replace', ...record, version: before.version } as const) : ({ do: 'insert', ...record } as const),
      auditStep(nowMs, actor, 'logo.changed', { details: { type, width, height, octets: octets.length } }),
    ];
    const result = await store.commit(organizationId, steps, { replicated: true });
    if (result.ok) return value;
    if (result.failed === 0) throw new GatewayError('organization_unknown');
    return RETRY;
  });
}

/** Removes the logo of an organization, if it has one. @throws conflict */
export async function removeLogo({ store, now }: Runtime, actor: Actor, organizationId: string): Promise<void> {
  await compareAndSet(async () => {
    const before = await store.get(organizationId, LOGO, LOGO_RECORD);
    if (!before) return confirmReplicated(store, organizationId);
    const removal = { do: 'delete', collection: LOGO, id: LOGO_RECORD, version: before.version } as const;
    const steps = [removal, auditStep(now(), actor, 'logo.removed')];
    return (await store.commit(organizationId, steps, { replicated: true })).ok ? undefined : RETRY;
  });
}
