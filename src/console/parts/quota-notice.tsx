import type { ComponentChildren } from 'preact';
import { isNearQuota, type QuotaName, quotaOf, settingsBytes } from '../../organizations/quotas/quotas.ts';
import type { Frame } from '../navigation.ts';
import { Callout } from './notice.tsx';

type NoticedQuota = Exclude<QuotaName, 'new_members_per_minute' | 'audit_entries'>;

export interface QuotaNoticeProps {
  readonly frame: Frame;
  readonly name: NoticedQuota;
  readonly used: number;
}

type QuotaText = (used: string, limit: string) => string;

/** Names the use of each quota, and what happens at the limit. */
const TEXTS: Readonly<Record<NoticedQuota, QuotaText>> = {
  members: (used, limit) => `This organization has ${used} of at most ${limit} members. At the limit, new users cannot sign in.`,
  domains: (used, limit) => `This organization has ${used} of at most ${limit} domains. At the limit, no other domain can be added.`,
  groups: (used, limit) => `This connection has ${used} of at most ${limit} groups. At the limit, no other group can be created.`,
  group_memberships: (used, limit) =>
    `The groups of this connection have ${used} of at most ${limit} members together. At the limit, no member can be added to a group.`,
  settings_bytes: (used, limit) =>
    `Settings, role rules and connections have ${used} of at most ${limit} bytes together. At the limit, they can only be shortened.`,
  cli_tokens_per_member: (used, limit) =>
    `You have ${used} of at most ${limit} CLI tokens. At the limit, you must revoke one before you create another.`,
  sessions_per_member: (used, limit) =>
    `You have ${used} of at most ${limit} sessions. At the limit, a new sign-in ends your oldest session.`,
};

/** Says how each reader gets a higher limit. */
const REMEDIES = {
  operator: (request: ComponentChildren) => <>Change the limit with {request}.</>,
  owner: 'Ask the operator of this gateway for a higher limit.',
  member: 'If you need more, ask an owner of your organization.',
} as const;

/** Warns when 80 % of a quota is used. Shows the numbers and whom to contact. */
export function QuotaNotice({ frame, name, used }: QuotaNoticeProps) {
  const { organization, viewer } = frame;
  if (!organization || viewer.kind === 'setup' || !isNearQuota(organization, name, used)) return null;
  return (
    <Callout kind="warning">
      <p>
        {TEXTS[name](used.toLocaleString('en'), quotaOf(organization, name).toLocaleString('en'))}{' '}
        {viewer.kind === 'operator'
          ? REMEDIES.operator(<code>PATCH /api/v1/organizations/{organization.slug}</code>)
          : REMEDIES[viewer.role === 'owner' ? 'owner' : 'member']}
      </p>
    </Callout>
  );
}

/** For pages that change settings, role rules or connections. */
export const SettingsQuotaNotice = ({ frame }: Pick<QuotaNoticeProps, 'frame'>) =>
  frame.organization ? <QuotaNotice frame={frame} name="settings_bytes" used={settingsBytes(frame.organization)} /> : null;
