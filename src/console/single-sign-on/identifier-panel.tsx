import type { IdentifierPreview } from '../../organizations/identity/identifier-setting.ts';
import type { Connection } from '../../organizations/organizations.ts';
import { describeSource, type IdentifierSetting } from '../../saml/identifier/identifier.ts';
import { DEFAULT_ATTRIBUTE_MAPPING } from '../../saml/response/attribute-mapping.ts';
import { ConfirmationPage } from '../confirmation-page.tsx';
import type { Frame } from '../navigation.ts';
import { counted } from '../parts/counted.ts';
import { Field } from '../parts/field.tsx';
import { visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Callout } from '../parts/notice.tsx';

const TEXTS = {
  userIdentifier: 'User identifier',
  firstUsedIdentifier: 'the attribute or NameID that the first accepted sign-in or test uses',
  identifiedBy: (identifier: string) => (
    <>
      Users are identified by <strong>{identifier}</strong>.
    </>
  ),
  openChange: 'Change the identifier',
  attribute: 'Attribute',
  identifyByAttribute: 'Identify users by this attribute',
  nameIdFormat: 'NameID format',
  identifyByNameId: 'Identify users by this NameID',
  whatResetDoes: 'The next accepted sign-in of a member, or the first one if there are no members, sets the identifier again.',
  resetToAutomatic: 'Reset to automatic',
  editableWarning:
    'Choose an attribute that users cannot edit at the identity provider. If users can edit it (often the email address), one user can impersonate another.',
  chooseWhatIdentifies: 'Choose what identifies users',
  whatToChoose: 'The response had these attributes with one value. Choose one that is different for every user and never changes.',
  identifyBy: (name: string) => `Identify users by ${name}`,
  isEmailAddress: 'An email address. Users can often edit it.',
  changeQuestion: 'Change the user identifier?',
  changeIdentifier: 'Change identifier',
  willBeIdentifiedBy: (identifier: string) => (
    <>
      Users will be identified by <strong>{identifier}</strong>.
    </>
  ),
  affectedMembers: (count: number) =>
    `${counted(count, 'member')} ${count === 1 ? 'is' : 'are'} known by another identifier. At the next sign-in, each of these users becomes a new member. Roles that were set manually, sessions and CLI tokens stay with the existing member.`,
  suspendedMembers: (count: number) =>
    `${count.toLocaleString('en')} of these ${count === 1 ? 'is' : 'are'} suspended. A suspended member cannot sign in again with the same email address or the former identifier. Also remove the user at the identity provider.`,
  undeterminedMembers: (count: number) =>
    `${counted(count, 'member')} signed in before identifiers were stored. Each stays the same member if the next response has the chosen identifier and it is the one that was used then.`,
  isPartial: 'The organization has more members than were counted. The actual numbers may be larger.',
} as const;

export const identifierText = (setting: IdentifierSetting): string =>
  setting === 'auto' ? TEXTS.firstUsedIdentifier : visibleText(describeSource(setting));

const pathOf = (frame: Frame): string => `${frame.singleSignOnPath}/identifier`;

export interface IdentifierPanelProps {
  readonly frame: Frame;
  readonly connection: Connection;
  /** Whether the viewer cannot change the connection. */
  readonly isLocked: boolean;
}

/** Shows what identifies the users of a connection, and changes it. */
export function IdentifierPanel({ frame, connection: { settings }, isLocked }: IdentifierPanelProps) {
  const setting = settings.identifier ?? 'auto';
  return (
    <section class="panel" aria-labelledby="identifier">
      <h2 id="identifier">{TEXTS.userIdentifier}</h2>
      <p>{TEXTS.identifiedBy(identifierText(setting))}</p>
      {isLocked ? null : <IdentifierForms frame={frame} setting={setting} />}
    </section>
  );
}

const IdentifierForms = ({ frame, setting }: Pick<IdentifierPanelProps, 'frame'> & { readonly setting: IdentifierSetting }) => (
  <details>
    <summary>{TEXTS.openChange}</summary>
    <PostForm action={pathOf(frame)} csrfToken={frame.csrfToken}>
      <Field name="attribute" label={TEXTS.attribute} value={attributeOf(setting)} maxlength={512} required />
      <EditableWarning />
      <button type="submit">{TEXTS.identifyByAttribute}</button>
    </PostForm>
    <PostForm action={pathOf(frame)} csrfToken={frame.csrfToken}>
      <Field name="name_id" label={TEXTS.nameIdFormat} value={formatOf(setting)} maxlength={512} required />
      <button type="submit">{TEXTS.identifyByNameId}</button>
    </PostForm>
    {setting === 'auto' ? null : (
      <PostForm action={pathOf(frame)} csrfToken={frame.csrfToken}>
        <p class="hint">{TEXTS.whatResetDoes}</p>
        <button type="submit" class="quiet">
          {TEXTS.resetToAutomatic}
        </button>
      </PostForm>
    )}
  </details>
);

const attributeOf = (setting: IdentifierSetting): string => (setting !== 'auto' && 'attribute' in setting ? setting.attribute : '');
const formatOf = (setting: IdentifierSetting): string => (setting !== 'auto' && 'name_id' in setting ? setting.name_id : '');

const EditableWarning = () => (
  <Callout kind="warning">
    <p>{TEXTS.editableWarning}</p>
  </Callout>
);

export interface OfferedIdentifiersProps {
  readonly frame: Frame;
  readonly offered: readonly string[];
}

/** Offers the attributes of a refused response as identifier, each with one click. */
export function OfferedIdentifiers({ frame, offered }: OfferedIdentifiersProps) {
  if (offered.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="offered">
      <h2 id="offered">{TEXTS.chooseWhatIdentifies}</h2>
      <p>{TEXTS.whatToChoose}</p>
      <EditableWarning />
      <ul class="plain">
        {offered.map((name) => (
          <li>
            <PostForm action={pathOf(frame)} csrfToken={frame.csrfToken} inline>
              <input type="hidden" name="attribute" value={name} />
              <button type="submit" class="quiet">
                {TEXTS.identifyBy(visibleText(name))}
              </button>
            </PostForm>
            {DEFAULT_ATTRIBUTE_MAPPING.email.includes(name) ? <span class="sub">{TEXTS.isEmailAddress}</span> : null}
          </li>
        ))}
      </ul>
    </section>
  );
}

export interface IdentifierChangePageProps {
  readonly frame: Frame;
  readonly setting: Exclude<IdentifierSetting, 'auto'>;
  readonly preview: IdentifierPreview;
}

/** Shows the members that a change of the identifier affects, before it is saved. */
export function IdentifierChangePage({
  frame,
  setting,
  preview: { affected, suspended, undetermined, isPartial },
}: IdentifierChangePageProps) {
  const query = new URLSearchParams({ ...setting, confirmed: 'yes' });
  return (
    <ConfirmationPage
      frame={frame}
      section="single-sign-on"
      title={TEXTS.changeQuestion}
      action={`${pathOf(frame)}?${query}`}
      yes={TEXTS.changeIdentifier}
      cancelHref={frame.singleSignOnPath}
    >
      <p>{TEXTS.willBeIdentifiedBy(identifierText(setting))}</p>
      <ul>
        <li>{TEXTS.affectedMembers(affected)}</li>
        {suspended === 0 ? null : <li>{TEXTS.suspendedMembers(suspended)}</li>}
        {undetermined === 0 ? null : <li>{TEXTS.undeterminedMembers(undetermined)}</li>}
        {isPartial ? <li>{TEXTS.isPartial}</li> : null}
      </ul>
    </ConfirmationPage>
  );
}
