import type { Member } from '../../organizations/members.ts';
import type { RoleDecision, RoleMapping } from '../../organizations/role-mapping.ts';
import { NO_OWNER_TEXTS, type NoOwnerReason, type RoleChange, type RoleMappingEffect } from '../../organizations/role-mapping-effect.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { counted } from '../parts/counted.ts';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';

export interface TypedRule {
  readonly group: string;
  readonly role: 'owner' | 'collaborator';
}

/** The rules as they stand in the form, saved or not. */
export interface TypedMapping {
  readonly rules: readonly TypedRule[];
  readonly defaultRole: RoleMapping['defaultRole'];
}

export interface Tried {
  readonly member: string;
  readonly groups: string;
  /** Undefined where nothing was tried, or nobody was found. */
  readonly result?: { readonly who: string | undefined; readonly role: Member['role']; readonly decision: RoleDecision };
  readonly problem?: string;
}

export interface RoleMappingPageProps {
  readonly frame: Frame;
  readonly mapping: TypedMapping;
  /** Empty rows below the rules. */
  readonly blankRows: number;
  readonly seen: readonly { readonly group: string; readonly members: number }[];
  readonly tried: Tried;
}

const ROLES = { owner: 'owner', collaborator: 'collaborator', none: 'no role: they may not come in' } as const;

/** Which groups give which role; decided anew at each sign-in. */
export function RoleMappingPage({ frame, mapping, blankRows, seen, tried }: RoleMappingPageProps) {
  const path = `${frame.base}/roles`;
  const rows: readonly TypedRule[] = [
    ...mapping.rules,
    ...Array.from({ length: blankRows }, () => ({ group: '', role: 'collaborator' }) as const),
  ];
  return (
    <ConsolePage
      frame={frame}
      section="roles"
      title="Role mapping"
      lead="Groups of your identity provider give roles here, anew at each sign-in. Where several rules fit, owner wins; their order means nothing."
    >
      <PostForm action={`${path}/preview`} csrfToken={frame.csrfToken}>
        <section class="panel" aria-labelledby="rules">
          <h2 id="rules">Rules</h2>
          <datalist id="groups-seen">
            {seen.map(({ group, members }) => (
              <option value={group} label={`${visibleText(group)} (${counted(members, 'member')})`} />
            ))}
          </datalist>
          {rows.map((rule, index) => (
            <RuleRow rule={rule} index={index} />
          ))}
          <p class="hint">
            A rule without a group is left out. Groups count letter by letter, as the identity provider sends them; those of recent sign-ins
            are offered as you type.
          </p>
          <label>
            Everybody else
            <select name="default_role">
              {(['collaborator', 'owner', 'none'] as const).map((role) => (
                <option value={role} selected={role === mapping.defaultRole}>
                  {ROLES[role]}
                </option>
              ))}
            </select>
          </label>
          <div class="buttons">
            <button type="submit">Preview the change</button>
            <button type="submit" class="secondary" formaction={`${path}/rows`}>
              More rows
            </button>
          </div>
        </section>
        <TryIt path={path} tried={tried} />
      </PostForm>
    </ConsolePage>
  );
}

const RuleRow = ({ rule: { group, role }, index }: { readonly rule: TypedRule; readonly index: number }) => (
  <fieldset class="row">
    <legend class="unseen">Rule {index + 1}</legend>
    <label>
      Group
      <input name={`group_${index}`} type="text" value={group} list="groups-seen" maxlength={1024} autocomplete="off" spellcheck={false} />
    </label>
    <label class="narrow">
      Role
      <select name={`role_${index}`}>
        <option value="collaborator" selected={role === 'collaborator'}>
          collaborator
        </option>
        <option value="owner" selected={role === 'owner'}>
          owner
        </option>
      </select>
    </label>
  </fieldset>
);

const TryIt = ({ path, tried }: { readonly path: string; readonly tried: Tried }) => (
  <section class="panel" aria-labelledby="try">
    <h2 id="try">Try it</h2>
    <p>With the rules as they stand above, saved or not. It changes nothing.</p>
    <label>
      A member
      <input name="try_member" type="text" value={tried.member} maxlength={254} autocomplete="off" placeholder="Address or user id" />
    </label>
    <label>
      Or groups, one a line
      <textarea name="try_groups" rows={3} spellcheck={false}>
        {tried.groups}
      </textarea>
    </label>
    <button type="submit" class="secondary" formaction={`${path}/try#try`}>
      Try
    </button>
    {tried.problem === undefined ? null : (
      <div class="notice problem" role="alert">
        <p>{visibleText(tried.problem)}</p>
      </div>
    )}
    {tried.result ? <TryResult {...tried.result} /> : null}
  </section>
);

function TryResult({ who, role, decision }: NonNullable<Tried['result']>) {
  return (
    <div class="notice done" role="status">
      <p>
        {who === undefined ? 'Somebody in these groups' : <ForeignText text={who} />} would have{' '}
        {role === 'none' ? (
          <strong>no role and could not come in</strong>
        ) : (
          <>
            the role <strong>{role}</strong>
          </>
        )}
        : {reasonOf(role, decision)}
      </p>
    </div>
  );
}

function reasonOf(role: Member['role'], { role: decided, group }: RoleDecision): string {
  if (group !== undefined) return `the rule for the group “${visibleText(group)}” decides.`;
  return role === decided
    ? 'no rule fits, so it is what everybody else gets.'
    : 'no rule fits, so the role that an owner or the operator gave stays.';
}

export interface RolePreviewPageProps {
  readonly frame: Frame;
  readonly mapping: RoleMapping;
  readonly effect: RoleMappingEffect;
  /** Why the rules leave no owner. Only the operator can save them then. */
  readonly noOwner: NoOwnerReason | undefined;
}

/** Shows which roles would change before the rules are saved. */
export function RolePreviewPage({ frame, mapping, effect, noOwner }: RolePreviewPageProps) {
  const path = `${frame.base}/roles`;
  const losesOwn = effect.own?.from === 'owner' && effect.own.to !== 'owner';
  const isRefused = noOwner !== undefined && frame.viewer.kind !== 'operator';
  return (
    <ConsolePage
      frame={frame}
      section="roles"
      title="Save these rules?"
      lead={`By the groups of the last sign-in of ${counted(effect.members, 'member')}. Each changes at the next sign-in.`}
      back={{ href: path, label: 'Role mapping' }}
    >
      <section class={losesOwn || noOwner !== undefined ? 'panel danger' : 'panel'} aria-label="What would change">
        {effect.isPartial ? <p>There are more members than these; of the rest nothing is said.</p> : null}
        {effect.changes.length === 0 ? <p>Nobody’s role would change.</p> : <Changes frame={frame} changes={effect.changes} />}
        {losesOwn ? (
          <p>
            <strong>You would lose owner</strong> at your next sign-in, and could not change this back.
          </p>
        ) : null}
        {noOwner === undefined ? null : (
          <div class="notice problem" role="alert">
            <p>
              {NO_OWNER_TEXTS[noOwner]} {isRefused ? 'Only the operator can save the rules as they are.' : ''}
            </p>
          </div>
        )}
        {isRefused ? null : <SaveRules frame={frame} mapping={mapping} losesOwn={losesOwn} leavesNoOwner={noOwner !== undefined} />}
      </section>
    </ConsolePage>
  );
}

interface SaveRulesProps {
  readonly frame: Frame;
  readonly mapping: RoleMapping;
  readonly losesOwn: boolean;
  readonly leavesNoOwner: boolean;
}

function SaveRules({ frame, mapping, losesOwn, leavesNoOwner }: SaveRulesProps) {
  const path = `${frame.base}/roles`;
  return (
    <PostForm action={`${path}/save`} csrfToken={frame.csrfToken}>
      {mapping.rules.map(({ group, role }, index) => (
        <>
          <input type="hidden" name={`group_${index}`} value={group} />
          <input type="hidden" name={`role_${index}`} value={role} />
        </>
      ))}
      <input type="hidden" name="default_role" value={mapping.defaultRole} />
      {losesOwn ? (
        <label>
          <input type="checkbox" name="confirmed" value="yes" required /> I know that I would lose owner
        </label>
      ) : null}
      {leavesNoOwner ? (
        <label>
          <input type="checkbox" name="allow_no_owner" value="yes" required /> Save rules that leave the organization without an owner
        </label>
      ) : null}
      <div class="buttons">
        <button type="submit" class={losesOwn || leavesNoOwner ? 'danger' : ''}>
          Save the rules
        </button>
        <a class="button secondary" href={path}>
          Cancel
        </a>
      </div>
    </PostForm>
  );
}

const Changes = ({ frame, changes }: { readonly frame: Frame; readonly changes: readonly RoleChange[] }) => (
  <ul>
    {changes.map((change) => (
      <li>
        {sentenceOf(change)}:{' '}
        {change.examples.map(({ id, email }, index) => (
          <>
            {index === 0 ? '' : ', '}
            <a href={`${frame.base}/members/${id}`}>
              <ForeignText text={email} />
            </a>
          </>
        ))}
        {change.count > change.examples.length ? ` and ${change.count - change.examples.length} more` : ''}
      </li>
    ))}
  </ul>
);

/** “2 owners would become collaborators”. */
export function sentenceOf({ from, to, count }: Pick<RoleChange, 'from' | 'to' | 'count'>): string {
  const who =
    from === 'none'
      ? counted(count, 'member without a role').replace('member without a roles', 'members without a role')
      : counted(count, from);
  if (to === 'none') return `${who} could not come in any more`;
  return `${who} would become ${count === 1 ? `${to === 'owner' ? 'an' : 'a'} ${to}` : `${to}s`}`;
}
