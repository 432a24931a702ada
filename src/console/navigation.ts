/** The pages of the console that the navigation shows, in its order. A new page is a row here, and routes in `http/console/`. */

export interface Section {
  readonly id: string;
  /** Below the {@link Frame}'s base. */
  readonly path: string;
  readonly label: string;
  /** `manager`: owners, and the operator for every organization. */
  readonly who: 'member' | 'manager' | 'operator';
}

/** Of an organization. */
export const SECTIONS = [
  { id: 'credentials', path: '', label: 'Credentials', who: 'member' },
  { id: 'organization', path: '', label: 'Organization', who: 'operator' },
  { id: 'members', path: '/members', label: 'Members', who: 'manager' },
  { id: 'single-sign-on', path: '/single-sign-on', label: 'Single sign-on', who: 'manager' },
  { id: 'roles', path: '/roles', label: 'Role mapping', who: 'manager' },
  { id: 'sign-ins', path: '/sign-ins', label: 'Sign-in log', who: 'manager' },
  { id: 'audit', path: '/audit', label: 'Audit trail', who: 'manager' },
] as const satisfies readonly Section[];

/** Of the whole gateway. */
export const OPERATOR_SECTIONS = [
  { id: 'organizations', path: '', label: 'Organizations', who: 'operator' },
  { id: 'keys', path: '/keys', label: 'Signing keys', who: 'operator' },
  { id: 'health', path: '/health', label: 'Health', who: 'operator' },
  { id: 'gateway-audit', path: '/audit', label: 'Audit trail', who: 'operator' },
] as const satisfies readonly Section[];

export type SectionId = (typeof SECTIONS)[number]['id'] | (typeof OPERATOR_SECTIONS)[number]['id'];

/** Who looks at the console. */
export type Viewer =
  | { readonly kind: 'member'; readonly id: string; readonly name: string; readonly email: string; readonly role: 'owner' | 'collaborator' }
  | { readonly kind: 'operator' }
  /** An IT administrator who came by a setup link. */
  | { readonly kind: 'setup'; readonly linkId: string };

/** What is done, or went wrong, as the next page tells it once. */
export interface Notice {
  readonly kind: 'done' | 'problem';
  readonly text: string;
}

/** What stands around every page of the console. */
export interface Frame {
  readonly viewer: Viewer;
  /** Whose pages these are; undefined on the operator's own. */
  readonly organization: { readonly name: string; readonly slug: string } | undefined;
  /** `/console`, or for the operator `/console/operator`, and `/console/operator/organizations/SLUG` below it. */
  readonly base: string;
  /** What every form carries. */
  readonly csrfToken: string;
  readonly notice: Notice | undefined;
  /** The clock that pages tell time by. */
  readonly nowMs: number;
}

const isFor = (viewer: Viewer, { id, who }: Section): boolean => {
  if (viewer.kind === 'setup') return id === 'single-sign-on';
  if (viewer.kind === 'operator') return who !== 'member';
  return who === 'member' || (who === 'manager' && viewer.role === 'owner');
};

/** Where the navigation of this viewer leads. */
export function sectionsOf({ viewer, organization }: Frame): readonly Section[] {
  return organization ? SECTIONS.filter((section) => isFor(viewer, section)) : OPERATOR_SECTIONS;
}
