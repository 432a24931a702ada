/**
 * The logo of an organization, which pages show beside its name. It has a record of its own, because every sign-in reads the record of
 * the organization. The image is in a second record, because pages need only its address and size, and strangers can view many pages.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { sha256 } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { confirmReplicated } from '../../store/confirm-replicated.ts';
import type { Collection, Step, Store, Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../organizations.ts';
import { type ImageHeader, readImageHeader } from './image-header.ts';

export interface Logo extends ImageHeader {
  /** SHA-256 of the image, part of its address. */
  readonly hash: string;
  readonly octets: number;
  /** RFC 3339, UTC. */
  readonly updatedAt: string;
}

export interface LogoImage {
  /** As in the logo, because the two records are read one after the other. */
  readonly hash: string;
  /** Base64. */
  readonly data: string;
}

export const MAX_LOGO_OCTETS = 64 * 1024;
export const MAX_LOGO_PIXELS = 1024;

/** Both are changed in one commit, and deleted with the partition of the organization. */
export const LOGO: Collection<Logo> = { name: 'logo', indexes: {}, unique: {} };
export const LOGO_IMAGE: Collection<LogoImage> = { name: 'logo-image', indexes: {}, unique: {} };
/** The ID in both collections. */
export const LOGO_RECORD = 'logo';

export const findLogo = async (store: Store, organizationId: string): Promise<Logo | undefined> =>
  (await store.get(organizationId, LOGO, LOGO_RECORD))?.value;

/** Returns the image of a logo, or undefined if the logo was changed meanwhile. */
export async function findLogoImage(store: Store, organizationId: string, { hash }: Logo): Promise<Buffer | undefined> {
  const image = (await store.get(organizationId, LOGO_IMAGE, LOGO_RECORD))?.value;
  return image?.hash === hash ? Buffer.from(image.data, 'base64') : undefined;
}

/** Returns the path of a logo. It contains the hash, so that browsers can keep the image forever. */
export const logoPath = (slug: string, { hash }: Logo): string => `/saml/${slug}/logo/${hash}`;

/** Returns whether a stored image is still the one that was checked when it was saved. Strangers can download it. */
export function isIntact(logo: Partial<Logo>, { data, hash }: Partial<LogoImage>): boolean {
  const octets = Buffer.from(typeof data === 'string' ? data : '', 'base64');
  const header = readImageHeader(octets);
  const isDescribed = header?.type === logo.type && header?.width === logo.width && header?.height === logo.height;
  return header !== undefined && isDescribed && octets.length === logo.octets && sha256(octets) === hash && hash === logo.hash;
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
 * Sets the logo of an organization. Setting the same image again changes nothing, unless the stored one is damaged.
 * @throws payload_too_large, validation_failed, organization_unknown, conflict
 */
export async function setLogo(runtime: Runtime, actor: Actor, { organizationId, octets }: NewLogo): Promise<Logo> {
  const { store } = runtime;
  const header = requireLogo(octets);
  const nowMs = runtime.now();
  const hash = sha256(octets);
  const value: Logo = { ...header, hash, octets: octets.length, updatedAt: toIsoTime(nowMs) };
  const data = Buffer.from(octets).toString('base64');
  return compareAndSet(async () => {
    const { logo, image } = await readBoth(store, organizationId);
    if (logo?.value.hash === hash && image && isIntact(logo.value, image.value)) {
      await confirmReplicated(store, organizationId);
      return logo.value;
    }
    const { type, width, height } = header;
    const steps = [
      // A deletion of the organization that runs meanwhile would miss the records.
      { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD } as const,
      saveStep(LOGO, logo, value),
      saveStep(LOGO_IMAGE, image, { hash, data }),
      auditStep(nowMs, actor, 'logo.changed', { details: { type, width, height, octets: octets.length } }),
    ];
    const result = await store.commit(organizationId, steps, { replicated: true });
    if (result.ok) return value;
    if (result.failed === 0) throw new GatewayError('organization_unknown');
    return RETRY;
  });
}

async function readBoth(store: Store, organizationId: string) {
  const [logo, image] = await Promise.all([
    store.get(organizationId, LOGO, LOGO_RECORD),
    store.get(organizationId, LOGO_IMAGE, LOGO_RECORD),
  ]);
  return { logo, image };
}

function saveStep<T>(collection: Collection<T>, before: Stored<T> | undefined, value: T): Step {
  const record = { collection, id: LOGO_RECORD, value };
  return before ? { do: 'replace', ...record, version: before.version } : { do: 'insert', ...record };
}

/** Removes the logo of an organization, if it has one. @throws conflict */
export async function removeLogo({ store, now }: Runtime, actor: Actor, organizationId: string): Promise<void> {
  await compareAndSet(async () => {
    const { logo, image } = await readBoth(store, organizationId);
    if (!logo && !image) return confirmReplicated(store, organizationId);
    const steps = [...deleteStep(LOGO, logo), ...deleteStep(LOGO_IMAGE, image), auditStep(now(), actor, 'logo.removed')];
    return (await store.commit(organizationId, steps, { replicated: true })).ok ? undefined : RETRY;
  });
}

const deleteStep = <T>(collection: Collection<T>, before: Stored<T> | undefined): Step[] =>
  before ? [{ do: 'delete', collection, id: LOGO_RECORD, version: before.version }] : [];
