import { isNearQuota, type QuotaName, quotaOf, settingsBytes } from '../../organizations/quotas/quotas.ts';
import type { Frame } from '../navigation.ts';
import { Callout } from './notice.tsx';

type NoticedQuota = Exclude<QuotaName, 'new_members_per_minute' | 'audit_entries'>;

export interface QuotaNoticeProps {
  readonly frame: Frame;
  readonly name: NoticedQuota;
  readonly used: number;
}

/** The subject of each quota, its unit, and what happens at the limit. */
const TEXTS: Readonly<Record<NoticedQuota, readonly [subject: string, unit: string, effect: string]>> = {
  members: ['This organization has', 'members', 'At the limit, new users cannot sign in.'],
  domains: ['This organization has', 'domains', 'At the limit, no other domain can be added.'],
  groups: ['This connection has', 'groups', 'At the limit, no other group can be created.'],
  group_memberships: ['The groups of this connection have', 'members together', 'At the limit, no member can be added to a group.'],
  settings_bytes: ['Settings, role rules and connections have', 'bytes together', 'At the limit, they can only be shortened.'],
  cli_tokens_per_member: ['You have', 'CLI tokens', 'At the limit, you must revoke one before you create another.'],
  sessions_per_member: ['You have', 'sessions', 'At the limit, a new sign-in ends your oldest session.'],
};

/** Warns when 80 % of a quota is used. Shows the numbers and whom to contact. */
export function QuotaNotice({ frame, name, used }: QuotaNoticeProps) {
  const { organization, viewer } = frame;
  if (!organization || viewer.kind === 'setup' || !isNearQuota(organization, name, used)) return null;
  const [subject, unit, effect] = TEXTS[name];
  return (
    <Callout kind="warning">
      <p>
        {subject} {used.toLocaleString('en')} of at most {quotaOf(organization, name).toLocaleString('en')} {unit}. {effect}{' '}
        {viewer.kind === 'operator' ? (
          <>
            Change the limit with <code>PATCH /api/v1/organizations/{organization.slug}</code>.
          </>
        ) : viewer.role === 'owner' ? (
          'Ask the operator of this gateway for a higher limit.'
        ) : (
          'If you need more, ask an owner of your organization.'
        )}
      </p>
    </Callout>
  );
}

/** For pages that change settings, role rules or connections. */
export const SettingsQuotaNotice = ({ frame }: Pick<QuotaNoticeProps, 'frame'>) =>
  frame.organization ? <QuotaNotice frame={frame} name="settings_bytes" used={settingsBytes(frame.organization)} /> : null;
