/** The page of the console, and the field on it, where each refusal can be fixed on the gateway's side. */
import type { SignInLogSummary } from '../../auth/sign-in-log/sign-in-log.ts';
import type { ErrorCode, ErrorVariantName } from '../../errors.ts';
import type { Frame } from '../navigation.ts';

interface Place {
  /** Below the connection's Single sign-on page, or below the base of the organization, where setups have no pages. */
  readonly below: 'connection' | 'organization';
  readonly path: string;
  /** The page that the link opens, as in “Open Role mapping”. */
  readonly page: string;
}

const connection = (path: string, page: string): Place => ({ below: 'connection', path, page });
const organization = (path: string, page: string): Place => ({ below: 'organization', path, page });

const METADATA = connection('/steps/metadata', 'Metadata of your identity provider');
const VALUES = connection('#values', 'Values for your identity provider');
const setting = (field: string): Place => connection(`/settings#field-${field}`, 'Single sign-on settings');

const PLACES: Partial<Record<ErrorCode, Place>> = {
  saml_signature_missing: setting('require_signed_assertion'),
  saml_signature_invalid: METADATA,
  saml_issuer_unknown: METADATA,
  saml_destination_mismatch: VALUES,
  saml_recipient_mismatch: VALUES,
  saml_audience_mismatch: VALUES,
  saml_not_yet_valid: setting('clock_skew_seconds'),
  saml_unsolicited_forbidden: setting('idp_initiated'),
  saml_authn_context_mismatch: setting('authn_context'),
  saml_decryption_failed: setting('require_encrypted_assertion'),
  saml_name_id_missing: connection('#identifier', 'User identifier'),
  saml_identifier_changed: connection('#identifier', 'User identifier'),
  saml_email_missing: setting('attributes_email'),
  saml_role_denied: organization('/roles', 'Role mapping'),
  saml_identifier_ambiguous: organization('/members', 'Members'),
  saml_email_domain_forbidden: organization('/domains', 'Domains'),
  member_suspended: organization('/members', 'Members'),
};

const VARIANT_PLACES: Partial<Record<ErrorVariantName, Place>> = {
  link_unapproved: connection('#pending-members', 'Members who have not signed in again'),
  groups_absent: setting('attributes_groups'),
};

export interface FixLink {
  readonly href: string;
  readonly page: string;
}

/**
 * Returns the page on which a refusal can be fixed. Undefined if nothing on the gateway's side can be changed, or if the viewer
 * cannot open the page.
 * @param frame the frame whose `singleSignOnPath` belongs to the connection of the sign-in
 */
export function fixLinkOf(
  frame: Pick<Frame, 'base' | 'singleSignOnPath' | 'viewer'>,
  { code, variant, memberId }: Pick<SignInLogSummary, 'code' | 'variant' | 'memberId'>,
): FixLink | undefined {
  const place = (variant && VARIANT_PLACES[variant]) ?? (code && PLACES[code]);
  if (!place) return undefined;
  const { below, path, page } = place;
  if (below === 'connection') return { href: `${frame.singleSignOnPath}${path}`, page };
  if (frame.viewer.kind === 'setup') return undefined;
  const isMember = path === '/members' && memberId !== undefined && code === 'member_suspended';
  return { href: `${frame.base}${path}${isMember ? `/${memberId}` : ''}`, page: isMember ? 'the member' : page };
}
