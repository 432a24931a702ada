import { DEFAULT_ATTRIBUTE_MAPPING } from '../../saml/response/person.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { Field } from '../parts/field.tsx';
import { PostForm } from '../parts/form.tsx';

/** The settings as the form has them: texts, lists line by line, `yes` for a box that is ticked. */
export type SettingsValues = Readonly<Record<SettingsField, string>>;

export const SETTINGS_FIELDS = [
  'idp_initiated',
  'clock_skew_seconds',
  'require_signed_assertion',
  'require_signed_response',
  'require_encrypted_assertion',
  'sign_requests',
  'name_id_format',
  'force_authn',
  'authn_context',
  'metadata_refresh_hours',
  'attributes_email',
  'attributes_name',
  'attributes_groups',
] as const;

export type SettingsField = (typeof SETTINGS_FIELDS)[number];

export interface SettingsPageProps {
  readonly frame: Frame;
  readonly values: SettingsValues;
  /** Its metadata came from a link. */
  readonly hasUrl: boolean;
}

export function SingleSignOnSettingsPage({ frame, values, hasUrl }: SettingsPageProps) {
  const path = `${frame.base}/single-sign-on`;
  return (
    <ConsolePage
      frame={frame}
      section="single-sign-on"
      title="Single sign-on settings"
      lead="As they are at first, they fit Okta, Entra ID and Google Workspace. They count from the next sign-in on."
      back={{ href: path, label: 'Single sign-on' }}
    >
      <section class="panel settings" aria-label="Settings">
        <PostForm action={`${path}/settings`} csrfToken={frame.csrfToken}>
          <SignInFields values={values} />
          <SecurityFields values={values} />
          <AttributeFields values={values} />
          {hasUrl ? (
            <Field
              name="metadata_refresh_hours"
              label="Fetch the metadata again after so many hours"
              value={values.metadata_refresh_hours}
              maxlength={3}
              hint="1 to 720; empty: never again by itself."
            />
          ) : null}
          <div class="buttons">
            <button type="submit">Save</button>
            <a class="button secondary" href={path}>
              Cancel
            </a>
          </div>
        </PostForm>
      </section>
    </ConsolePage>
  );
}

type Values = { readonly values: SettingsValues };

const SignInFields = ({ values }: Values) => (
  <>
    <h2>Signing in</h2>
    <Choice
      name="idp_initiated"
      label="A click on the app at the identity provider"
      value={values.idp_initiated}
      options={[
        ['accept', 'signs in at once'],
        ['bounce', 'starts a sign-in from here (safer)'],
        ['reject', 'is refused: sign-ins start here only'],
      ]}
    />
    <Box name="force_authn" values={values} hint="The identity provider is asked not to rely on a session that it still has.">
      Ask for the password at each sign-in
    </Box>
    <Field
      name="authn_context"
      label="Only these ways to sign in"
      value={values.authn_context}
      lines={3}
      hint="One AuthnContextClassRef a line, for example of multi-factor authentication; empty: any. Others are refused."
    />
    <Field
      name="name_id_format"
      label="NameID format to ask for"
      value={values.name_id_format}
      maxlength={512}
      hint="Leave it empty unless the identity provider’s documentation names one: several refuse what they don’t expect."
    />
  </>
);

const SecurityFields = ({ values }: Values) => (
  <>
    <h2>Signatures and time</h2>
    <p class="hint">What counts must always be signed: the assertion, the response or both. Ask for one in particular only if you must.</p>
    <Box name="require_signed_assertion" values={values}>
      The assertion must be signed
    </Box>
    <Box name="require_signed_response" values={values} hint="Entra ID and Google Workspace do not sign the response unless told to.">
      The response must be signed
    </Box>
    <Box
      name="require_encrypted_assertion"
      values={values}
      hint="The identity provider needs the certificate in the metadata of this page first."
    >
      The assertion must be encrypted
    </Box>
    <Choice
      name="sign_requests"
      label="Sign-in requests from here are"
      value={values.sign_requests}
      options={[
        ['', 'signed where the metadata asks for it'],
        ['yes', 'always signed'],
        ['no', 'never signed'],
      ]}
    />
    <Field
      name="clock_skew_seconds"
      label="Seconds that the clocks may differ"
      value={values.clock_skew_seconds}
      maxlength={3}
      required
      hint="0 to 300; 180 at first."
    />
  </>
);

const AttributeFields = ({ values }: Values) => (
  <>
    <h2>Attributes</h2>
    <p class="hint">Which attributes carry what; one name a line, the first that is there counts. Empty: the usual names are tried.</p>
    {(['email', 'name', 'groups'] as const).map((what) => (
      <Field
        name={`attributes_${what}`}
        label={{ email: 'E-mail address', name: 'Name', groups: 'Groups' }[what]}
        value={values[`attributes_${what}`]}
        lines={2}
        hint={`Usual names: ${DEFAULT_ATTRIBUTE_MAPPING[what].slice(0, 3).join(', ')} and others.`}
      />
    ))}
  </>
);

interface ChoiceProps {
  readonly name: SettingsField;
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, text: string])[];
}

const Choice = ({ name, label, value, options }: ChoiceProps) => (
  <label>
    {label}
    <select name={name}>
      {options.map(([option, text]) => (
        <option value={option} selected={option === value}>
          {text}
        </option>
      ))}
    </select>
  </label>
);

interface BoxProps extends Values {
  readonly name: SettingsField;
  readonly hint?: string;
  readonly children: string;
}

const Box = ({ name, values, hint, children }: BoxProps) => (
  <div class="field">
    <label>
      <input
        type="checkbox"
        name={name}
        value="yes"
        checked={values[name] === 'yes'}
        {...(hint ? { 'aria-describedby': `hint-${name}` } : {})}
      />{' '}
      {children}
    </label>
    {hint ? (
      <small class="hint" id={`hint-${name}`}>
        {hint}
      </small>
    ) : null}
  </div>
);
