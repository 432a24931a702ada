import type { ComponentChildren } from 'preact';
import type { Connection } from '../../organizations/organizations.ts';
import { DEFAULT_ATTRIBUTE_MAPPING } from '../../saml/response/attribute-mapping.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { Field } from '../parts/field.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { SettingsQuotaNotice } from '../parts/quota-notice.tsx';
import { StateBadge } from './connection-state.tsx';

const TEXTS = {
  title: 'Single sign-on settings',
  defaultsWork: 'The defaults work with Okta, Entra ID and Google Workspace. Changes apply from the next sign-in.',
  singleSignOn: 'Single sign-on',
  settings: 'Settings',
  connection: (name: ComponentChildren) => <>Connection: {name}</>,
  metadataRefreshInterval: 'Metadata refresh interval in hours',
  refreshHint: '1 to 720. Leave empty to turn off automatic refresh.',
  saveSettings: 'Save settings',
  cancel: 'Cancel',
  signingIn: 'Signing in',
  idpInitiated: 'Sign-ins that start at the identity provider',
  forceAuthnHint: 'Requests that the identity provider authenticates the user again, even if it still has a session.',
  forceAuthn: 'Require authentication at every sign-in',
  authnContext: 'Required authentication methods',
  authnContextHint: 'One AuthnContextClassRef per line, for example to require multi-factor authentication. Leave empty to allow any.',
  nameIdFormat: 'Requested NameID format',
  nameIdFormatHint:
    'Leave empty unless the documentation of the identity provider names a format. A response with another format is rejected.',
  allowCreateHint: 'Sends AllowCreate in requests. Uncheck it only if the federation of your identity provider forbids it.',
  allowCreate: 'Allow the identity provider to create an identifier for a user',
  signaturesAndTime: 'Signatures and time',
  signatureHint:
    'A valid signature must always cover the assertion, on the assertion itself or on the response. Require a particular one only if you have to.',
  requireSignedAssertions: 'Require signed assertions',
  signedResponsesHint: 'Entra ID and Google Workspace do not sign the response by default.',
  requireSignedResponses: 'Require signed responses',
  encryptedAssertionsHint: 'First give the identity provider the certificate in the gateway’s metadata.',
  requireEncryptedAssertions: 'Require encrypted assertions',
  signSamlRequests: 'Sign SAML requests',
  clockDifference: 'Allowed clock difference in seconds',
  clockDifferenceHint: '0 to 300. The default is 180.',
  attributes: 'Attributes',
  attributesHint:
    'Attribute names, one per line. The first attribute with a usable value is read. Leave empty to use the well-known names.',
  wellKnownNames: (names: string) => `Well-known names: ${names} and others.`,
} as const;

const IDP_INITIATED = [
  ['accept', 'Accept'],
  ['bounce', 'Restart at the gateway (safer)'],
  ['reject', 'Reject'],
] as const;

const SIGN_REQUESTS = [
  ['', 'If the metadata asks for it'],
  ['yes', 'Always'],
  ['no', 'Never'],
] as const;

const ATTRIBUTES = { email: 'Email address', name: 'Name', groups: 'Groups' } as const;

/** The settings as form values: texts, lists with one item per line, `yes` for a checked box. */
export type SettingsValues = Readonly<Record<SettingsField, string>>;

export const FORM_FIELDS = [
  'idp_initiated',
  'clock_skew_seconds',
  'require_signed_assertion',
  'require_signed_response',
  'require_encrypted_assertion',
  'sign_requests',
  'name_id_format',
  'allow_create',
  'force_authn',
  'authn_context',
  'metadata_refresh_hours',
  'attributes_email',
  'attributes_name',
  'attributes_groups',
] as const;

export type SettingsField = (typeof FORM_FIELDS)[number];

export interface SettingsPageProps {
  readonly frame: Frame;
  readonly values: SettingsValues;
  readonly connection: Connection;
}

export function SingleSignOnSettingsPage({ frame, values, connection }: SettingsPageProps) {
  const path = frame.singleSignOnPath;
  return (
    <ConsolePage
      frame={frame}
      section="single-sign-on"
      title={TEXTS.title}
      lead={TEXTS.defaultsWork}
      back={{ href: path, label: TEXTS.singleSignOn }}
    >
      <SettingsQuotaNotice frame={frame} />
      <section class="panel settings" aria-label={TEXTS.settings}>
        <p>
          {TEXTS.connection(<ForeignText text={connection.name} />)} <StateBadge state={connection.state} />
        </p>
        <PostForm action={`${path}/settings`} csrfToken={frame.csrfToken}>
          <SignInFields values={values} />
          <SecurityFields values={values} />
          <AttributeFields values={values} />
          {connection.metadataUrl !== undefined ? (
            <Field
              name="metadata_refresh_hours"
              label={TEXTS.metadataRefreshInterval}
              value={values.metadata_refresh_hours}
              maxlength={3}
              hint={TEXTS.refreshHint}
            />
          ) : null}
          <div class="buttons">
            <button type="submit">{TEXTS.saveSettings}</button>
            <a class="button secondary" href={path}>
              {TEXTS.cancel}
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
    <h2>{TEXTS.signingIn}</h2>
    <Choice name="idp_initiated" label={TEXTS.idpInitiated} value={values.idp_initiated} options={IDP_INITIATED} />
    <Box name="force_authn" values={values} hint={TEXTS.forceAuthnHint}>
      {TEXTS.forceAuthn}
    </Box>
    <Field name="authn_context" label={TEXTS.authnContext} value={values.authn_context} lines={3} hint={TEXTS.authnContextHint} />
    <Field name="name_id_format" label={TEXTS.nameIdFormat} value={values.name_id_format} maxlength={512} hint={TEXTS.nameIdFormatHint} />
    <Box name="allow_create" values={values} hint={TEXTS.allowCreateHint}>
      {TEXTS.allowCreate}
    </Box>
  </>
);

const SecurityFields = ({ values }: Values) => (
  <>
    <h2>{TEXTS.signaturesAndTime}</h2>
    <p class="hint">{TEXTS.signatureHint}</p>
    <Box name="require_signed_assertion" values={values}>
      {TEXTS.requireSignedAssertions}
    </Box>
    <Box name="require_signed_response" values={values} hint={TEXTS.signedResponsesHint}>
      {TEXTS.requireSignedResponses}
    </Box>
    <Box name="require_encrypted_assertion" values={values} hint={TEXTS.encryptedAssertionsHint}>
      {TEXTS.requireEncryptedAssertions}
    </Box>
    <Choice name="sign_requests" label={TEXTS.signSamlRequests} value={values.sign_requests} options={SIGN_REQUESTS} />
    <Field
      name="clock_skew_seconds"
      label={TEXTS.clockDifference}
      value={values.clock_skew_seconds}
      maxlength={3}
      required
      hint={TEXTS.clockDifferenceHint}
    />
  </>
);

const AttributeFields = ({ values }: Values) => (
  <>
    <h2>{TEXTS.attributes}</h2>
    <p class="hint">{TEXTS.attributesHint}</p>
    {(['email', 'name', 'groups'] as const).map((what) => (
      <Field
        name={`attributes_${what}`}
        label={ATTRIBUTES[what]}
        value={values[`attributes_${what}`]}
        lines={2}
        hint={TEXTS.wellKnownNames(DEFAULT_ATTRIBUTE_MAPPING[what].slice(0, 3).join(', '))}
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
    <select name={name} id={`field-${name}`}>
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
        id={`field-${name}`}
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
