import type { ComponentChildren } from 'preact';
import type { ChangePreview } from '../../organizations/idp-change/preview-change.ts';
import { counted } from '../parts/counted.ts';
import { IdentifierComparison } from './identifier-comparison.tsx';

const TEXTS = {
  whatHappensMembers: 'What happens to the members?',
  keepTheAccounts: 'Keep the accounts',
  chooseNewIdentity: (keep: ComponentChildren) => (
    <>
      Choose this if the new identity provider sends the same identifiers. The metadata is saved as a draft, and takes effect when your own
      test sign-in is recognized as you. Other owners are then confirmed one by one. {keep}
    </>
  ),
  linkAccountsEmail: 'Link accounts by email address',
  usersBecomeMembers: (link_by_email: ComponentChildren) => (
    <>
      Users become the members with the same address in a domain that was verified within the last 24 hours. You approve owners, suspended
      members and all other cases. {link_by_email}
    </>
  ),
  linkAccountsUntil: 'Link accounts until (UTC, at most 30 days ahead)',
  useFormerAccounts: 'Use the former accounts',
  createNewAccounts: 'Create new accounts',
  usersRestoredIdentity:
    'Users of the restored identity provider get the accounts that they had with it, unless other users have used these since; then they become new members.',
  everyUserSigns: 'Every user who signs in with the new identity provider becomes a new member.',
  rolesSessionsCli: (value: ComponentChildren, total: ComponentChildren) => (
    <>
      {value} Roles, sessions and CLI tokens stay with the existing accounts ({total}), whose users can no longer sign in.
    </>
  ),
} as const;

/** The effect of each decision. A setup can only choose new accounts. */
export interface DecisionPreviews {
  readonly new_accounts: ChangePreview;
  readonly keep?: ChangePreview | undefined;
  readonly link_by_email?: ChangePreview | undefined;
}

const total = ({ matching, ambiguous, new: created }: ChangePreview): number => matching + ambiguous + created;

/** A table of identifiers that the user compares with the members. */
export interface Comparison {
  /** The pasted text. */
  readonly text: string;
  /** The table could be read, so that the preview of `keep` follows it. */
  readonly isCompared: boolean;
}

export interface MembersDecisionProps {
  readonly previews: DecisionPreviews;
  /** Where the form is sent to compare a table of identifiers. */
  readonly compareAction: string;
  readonly comparison?: Comparison | undefined;
  /** The identity provider was connected before, so that its users have accounts already. */
  readonly isRestored?: true;
}

/** No choice is selected, so that the choice is always deliberate. */
export const MembersDecision = ({ previews, compareAction, comparison, isRestored }: MembersDecisionProps) => (
  <fieldset>
    <legend>{TEXTS.whatHappensMembers}</legend>
    {previews.keep ? (
      <>
        <Choice value="keep" label={TEXTS.keepTheAccounts} />
        <small>{TEXTS.chooseNewIdentity(effectOf(previews.keep))}</small>
        <IdentifierComparison
          action={compareAction}
          text={comparison?.text ?? ''}
          lines={previews.keep.lines}
          effect={effectOf(previews.keep)}
          isCompared={comparison?.isCompared ?? false}
        />
      </>
    ) : null}
    {previews.link_by_email ? (
      <>
        <Choice value="link_by_email" label={TEXTS.linkAccountsEmail} />
        <small>{TEXTS.usersBecomeMembers(effectOf(previews.link_by_email))}</small>
        <label>
          {TEXTS.linkAccountsUntil}
          <input type="date" name="link_until" />
        </label>
      </>
    ) : null}
    <Choice value="new_accounts" label={isRestored ? TEXTS.useFormerAccounts : TEXTS.createNewAccounts} />
    <small>
      {TEXTS.rolesSessionsCli(
        isRestored ? TEXTS.usersRestoredIdentity : TEXTS.everyUserSigns,
        counted(total(previews.new_accounts), 'member'),
      )}
    </small>
  </fieldset>
);

const Choice = ({ value, label }: { readonly value: keyof DecisionPreviews; readonly label: string }) => (
  <label>
    <input type="radio" name="on_new_entity_id" value={value} required /> {label}
  </label>
);

const effectOf = ({ matching, ambiguous, new: created, recent, isPartial }: ChangePreview): string =>
  `${isPartial ? 'Of the first 20,000 members: ' : ''}${counted(matching, 'account')} kept automatically${usedOf(matching, recent.matching)}, ${ambiguous} after an approval${usedOf(ambiguous, recent.ambiguous)}, ${created} replaced by new ones${usedOf(created, recent.new)}.`;

/** Names the accounts that were used recently, unless all of them were. */
const usedOf = (count: number, recent: number): string =>
  recent === count ? '' : ` (${recent === 0 ? 'none' : recent} used in the last 30 days)`;
