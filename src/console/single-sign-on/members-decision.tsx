import type { ChangePreview } from '../../organizations/idp-change/preview-change.ts';
import { counted } from '../parts/counted.ts';
import { IdentifierComparison } from './identifier-comparison.tsx';

const TEXTS = {
  question: 'What happens to the members?',
  keepAccounts: 'Keep the accounts',
  whenToKeep: (effect: string) =>
    `Choose this if the new identity provider sends the same identifiers. The metadata is saved as a draft, and takes effect when your own test sign-in is recognized as you. Other owners are then confirmed one by one. ${effect}`,
  linkByEmail: 'Link accounts by email address',
  whatLinkingDoes: (effect: string) =>
    `Users become the members with the same address in a domain that was verified within the last 24 hours. You approve owners, suspended members and all other cases. ${effect}`,
  linkUntil: 'Link accounts until (UTC, at most 30 days ahead)',
  useFormerAccounts: 'Use the former accounts',
  createNewAccounts: 'Create new accounts',
  formerAccounts:
    'Users of the restored identity provider get the accounts that they had with it, unless other users have used these since; then they become new members.',
  newAccounts: 'Every user who signs in with the new identity provider becomes a new member.',
  existingAccounts: (count: number) =>
    `Roles, sessions and CLI tokens stay with the existing accounts (${counted(count, 'member')}), whose users can no longer sign in.`,
  effect: (kept: string, approved: string, replaced: string) => `${kept}, ${approved}, ${replaced}.`,
  kept: (count: number, use: string) => `${counted(count, 'account')} kept automatically${use}`,
  approved: (count: number, use: string) => `${count.toLocaleString('en')} after an approval${use}`,
  replaced: (count: number, use: string) => `${count.toLocaleString('en')} replaced by new ones${use}`,
  partialEffect: (effect: string) => `Of the first 20,000 members: ${effect}`,
  recentlyUsed: (count: number) => ` (${count === 0 ? 'none' : count.toLocaleString('en')} used in the last 30 days)`,
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
  /** The identity provider was connected before, so its users already have accounts. */
  readonly isRestored?: true;
}

/** No choice is selected, so that the choice is always deliberate. */
export const MembersDecision = ({ previews, compareAction, comparison, isRestored }: MembersDecisionProps) => (
  <fieldset>
    <legend>{TEXTS.question}</legend>
    {previews.keep ? (
      <>
        <Choice value="keep" label={TEXTS.keepAccounts} />
        <small>{TEXTS.whenToKeep(effectOf(previews.keep))}</small>
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
        <Choice value="link_by_email" label={TEXTS.linkByEmail} />
        <small>{TEXTS.whatLinkingDoes(effectOf(previews.link_by_email))}</small>
        <label>
          {TEXTS.linkUntil}
          <input type="date" name="link_until" />
        </label>
      </>
    ) : null}
    <Choice value="new_accounts" label={isRestored ? TEXTS.useFormerAccounts : TEXTS.createNewAccounts} />
    <small>
      {isRestored ? TEXTS.formerAccounts : TEXTS.newAccounts} {TEXTS.existingAccounts(total(previews.new_accounts))}
    </small>
  </fieldset>
);

const Choice = ({ value, label }: { readonly value: keyof DecisionPreviews; readonly label: string }) => (
  <label>
    <input type="radio" name="on_new_entity_id" value={value} required /> {label}
  </label>
);

function effectOf({ matching, ambiguous, new: created, recent, isPartial }: ChangePreview): string {
  const effect = TEXTS.effect(
    TEXTS.kept(matching, useOf(matching, recent.matching)),
    TEXTS.approved(ambiguous, useOf(ambiguous, recent.ambiguous)),
    TEXTS.replaced(created, useOf(created, recent.new)),
  );
  return isPartial ? TEXTS.partialEffect(effect) : effect;
}

/** Says how many of the accounts were used recently, unless all of them were. */
const useOf = (count: number, recent: number): string => (recent === count ? '' : TEXTS.recentlyUsed(recent));
