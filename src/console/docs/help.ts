import type { SectionId } from '../navigation.ts';

/** Pages outside the console that have help of their own. */
type CardTopic = 'sign-in' | 'device' | 'operator-sign-in' | 'setup' | 'replace-session' | 'signed-out';

export type HelpTopic = SectionId | CardTopic;

/** The place in the documentation that each page links to. */
export const HELP: Readonly<Record<HelpTopic, string>> = {
  credentials: '/docs/api#tokens',
  organization: '/docs/configuration#connections',
  members: '/docs/configuration#user-identifiers',
  'single-sign-on': '/docs/identity-providers#quick-start',
  provisioning: '/docs/scim#setup',
  domains: '/docs/configuration#domains',
  branding: '/docs/configuration#logo',
  roles: '/docs/configuration#roles',
  'sign-ins': '/docs/saml-checks#checks-of-the-response',
  audit: '/docs/operations#audit-trail',
  organizations: '/docs#your-first-organization',
  keys: '/docs/operations#secrets',
  health: '/docs/operations#health-metrics-and-logs',
  'gateway-audit': '/docs/operations#audit-trail',
  'sign-in': '/docs#first-sign-in',
  device: '/docs/api#device-login',
  'operator-sign-in': '/docs/configuration#environment-variables',
  setup: '/docs/identity-providers#quick-start',
  'replace-session': '/docs/configuration#connections',
  'signed-out': '/docs/identity-providers#single-logout',
};

/** The place that describes an error code. */
export const helpForError = (code: string): string => `/docs/errors#${code}`;
