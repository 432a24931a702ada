/** The steps of a setup. How far one is follows from the records of the organization and the connection. */
import type { Connection, Organization } from '../../organizations/organizations.ts';
import { lacksOwnerRule } from '../../organizations/setup/first-activation.ts';

export const SETUP_STEPS = [
  { id: 'provider', label: 'Identity provider' },
  { id: 'application', label: 'Application' },
  { id: 'metadata', label: 'Metadata' },
  { id: 'users', label: 'Users' },
  { id: 'roles', label: 'Roles' },
  { id: 'test', label: 'Test' },
  { id: 'live', label: 'Go live' },
] as const;

export type SetupStepId = (typeof SETUP_STEPS)[number]['id'];

export interface SetupProgress {
  readonly done: ReadonlySet<SetupStepId>;
  /** The first step that is not done, or `done` for a connection that is in use. */
  readonly next: SetupStepId | 'done';
}

/** Returns how far the setup of a connection is. */
export function setupProgress(organization: Organization, connection: Connection | undefined): SetupProgress {
  if (!connection) return { done: new Set(), next: 'provider' };
  const { state, testedAt, settings } = connection;
  const isTested = testedAt !== undefined;
  const checks: readonly (readonly [SetupStepId, boolean])[] = [
    ['provider', true],
    ['application', true],
    ['metadata', true],
    ['users', isTested || (settings.identifier ?? 'auto') !== 'auto'],
    ['roles', !lacksOwnerRule(organization, connection)],
    ['test', isTested],
    ['live', false],
  ];
  if (state === 'active') return { done: new Set(SETUP_STEPS.map(({ id }) => id)), next: 'done' };
  const done = new Set(checks.filter(([, isDone]) => isDone).map(([id]) => id));
  return { done, next: checks.find(([, isDone]) => !isDone)?.[0] ?? 'live' };
}
