/** Lists the pages of the console in the order of the navigation. A new page needs a row here and routes in `http/console/`. */
import type { Organization } from '../organizations/organizations.ts';
import type { QuotaHolder } from '../organizations/quotas/quotas.ts';

export interface Section {
  readonly id: string;
  /** Relative to the base of the {@link Frame}. */
  readonly path: string;
  readonly label: string;
  /** `manager` stands for owners, and for the operator in every organization. */
  readonly who: 'member' | 'manager' | 'operator';
}

/** Pages of an organization. */
export const SECTIONS = [
  { id: 'credentials', path: '', label: 'Credentials', who: 'member' },
  { id: 'organization', path: '', label: 'Organization', who: 'operator' },
  { id: 'members', path: '/members', label: 'Members', who: 'manager' },
  { id: 'single-sign-on', path: '/single-sign-on', label: 'Single sign-on', who: 'manager' },
  { id: 'provisioning', path: '/provisioning', label: 'Provisioning', who: 'manager' },
  { id: 'domains', path: '/domains', label: 'Domains', who: 'manager' },
  { id: 'branding', path: '/branding', label: 'Branding', who: 'manager' },
  { id: 'roles', path: '/roles', label: 'Role mapping', who: 'manager' },
  { id: 'sign-ins', path: '/sign-ins', label: 'Sign-in log', who: 'manager' },
  { id: 'audit', path: '/audit', label: 'Audit trail', who: 'manager' },
] as const satisfies readonly Section[];

/** Pages of the gateway as a whole. */
export const OPERATOR_SECTIONS = [
  { id: 'organizations', path: '', label: 'Organizations', who: 'operator' },
  { id: 'keys', path: '/keys', label: 'Signing keys', who: 'operator' },
  { id: 'health', path: '/health', label: 'Health', who: 'operator' },
  { id: 'gateway-audit', path: '/audit', label: 'Audit trail', who: 'operator' },
] as const satisfies readonly Section[];

export type SectionId = (typeof SECTIONS)[number]['id'] | (typeof OPERATOR_SECTIONS)[number]['id'];

/** The user of the console. */
export type Viewer =
  | { readonly kind: 'member'; readonly id: string; readonly name: string; readonly email: string; readonly role: 'owner' | 'collaborator' }
  | { readonly kind: 'operator' }
  /** An IT administrator with a setup link. */
  | { readonly kind: 'setup'; readonly linkId: string };

/** The result of an action, shown once on the next page. */
export interface Notice {
  readonly kind: 'done' | 'problem';
  readonly text: string;
}

/** Everything that the frame around a page of the console needs. */
export interface Frame {
  readonly viewer: Viewer;
  /** The organization of the page; undefined on pages of the gateway as a whole. */
  readonly organization: (QuotaHolder & Pick<Organization, 'name' | 'groupsFrom'>) | undefined;
  /** `/console`, or for the operator `/console/operator` or `/console/operator/organizations/SLUG`. */
  readonly base: string;
  /** The path of a connection's Single sign-on page, below `base`. */
  readonly singleSignOnPath: string;
  /** The CSRF token that every form sends. */
  readonly csrfToken: string;
  readonly notice: Notice | undefined;
  /** The current time, for relative times on the page. */
  readonly nowMs: number;
}

const isFor = (viewer: Viewer, { id, who }: Section): boolean => {
  if (viewer.kind === 'setup') return id === 'single-sign-on';
  if (viewer.kind === 'operator') return who !== 'member';
  return who === 'member' || (who === 'manager' && viewer.role === 'owner');
};

/** Returns the pages that this viewer may open. */
export function sectionsOf({ viewer, organization }: Frame): readonly Section[] {
  return organization ? SECTIONS.filter((section) => isFor(viewer, section)) : OPERATOR_SECTIONS;
}
