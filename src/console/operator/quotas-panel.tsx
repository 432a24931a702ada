import type { Organization } from '../../organizations/organizations.ts';
import { nearQuotas, type QuotaUse } from '../../organizations/quotas/quota-use.ts';
import { QUOTA_NAMES, QUOTAS, type QuotaName, quotaOf } from '../../organizations/quotas/quotas.ts';
import type { Frame } from '../navigation.ts';
import { Field } from '../parts/field.tsx';
import { PostForm } from '../parts/form.tsx';
import { Callout } from '../parts/notice.tsx';

const TEXTS = {
  quotas: 'Quotas',
  isNearQuotas: (names: string) => `This organization has used 80 % or more of these quotas: ${names}.`,
  useAndLimits: 'Use and limits',
  used: (count: number) => `${count.toLocaleString('en')} used. `,
  range: (standard: number, max: number) => `Default ${standard.toLocaleString('en')}, at most ${max.toLocaleString('en')}.`,
  emptyIsDefault: 'An empty field restores the default.',
  save: 'Save quotas',
} as const;

const QUOTA_LABELS: Readonly<Record<QuotaName, string>> = {
  members: 'Members',
  new_members_per_minute: 'New members per minute',
  sessions_per_member: 'Sessions per member',
  cli_tokens_per_member: 'CLI tokens per member',
  domains: 'Domains',
  groups: 'Groups per connection',
  group_memberships: 'Group memberships per connection',
  audit_entries: 'Audit entries',
  settings_bytes: 'Bytes of settings',
};

/** Returns the name of the hidden field with the limit that the form showed. */
export const shownField = (name: QuotaName): string => `shown_${name}`;

export interface QuotasPanelProps {
  readonly frame: Frame;
  readonly organization: Organization;
  readonly quotaUse: QuotaUse;
}

/** Shows how much of each quota is used, and the form that changes the limits. */
export function QuotasPanel({ frame, organization, quotaUse }: QuotasPanelProps) {
  const near = nearQuotas(organization, quotaUse);
  return (
    <section class="panel" aria-labelledby="quotas">
      <h2 id="quotas">{TEXTS.quotas}</h2>
      {near.length === 0 ? null : (
        <Callout kind="warning">
          <p>{TEXTS.isNearQuotas(near.map((name) => QUOTA_LABELS[name].toLowerCase()).join(', '))}</p>
        </Callout>
      )}
      <details open={near.length > 0}>
        <summary>{TEXTS.useAndLimits}</summary>
        <p class="hint">{TEXTS.emptyIsDefault}</p>
        <PostForm action={`${frame.base}/quotas`} csrfToken={frame.csrfToken}>
          {QUOTA_NAMES.map((name) => (
            <>
              <input type="hidden" name={shownField(name)} value={quotaOf(organization, name)} />
              <Field
                name={name}
                label={QUOTA_LABELS[name]}
                type="number"
                value={String(quotaOf(organization, name))}
                hint={`${name in quotaUse ? TEXTS.used(quotaUse[name as keyof QuotaUse]) : ''}${TEXTS.range(QUOTAS[name].standard, QUOTAS[name].max)}`}
              />
            </>
          ))}
          <button type="submit">{TEXTS.save}</button>
        </PostForm>
      </details>
    </section>
  );
}
