import type { ComponentChildren } from 'preact';
import type { Member } from '../../organizations/members.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { Copy } from '../parts/copy.tsx';
import { counted } from '../parts/counted.ts';
import { Facts } from '../parts/facts.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';

const TEXTS = {
  create: 'Create token',
  cancel: 'Cancel',
  back: 'Credentials',
  title: 'Create a CLI token',
  whatHolderCanDo: (organization: ComponentChildren, role: ComponentChildren) => (
    <>
      A program with the token acts as you in {organization}: it has your role, now {role}, in the API and in services that accept your
      sign-in, and can create and revoke your CLI tokens. It cannot open this console.
    </>
  ),
  whenTokenStops: 'The token stops working when it expires, when you revoke it, and when you lose your access.',
  yourOrganization: 'your organization',
  name: 'Name',
  nameExample: 'For example: nightly backup',
  nameHint: 'Name the program that will use the token, so that you know later which one to revoke.',
  expiresAfter: 'Expires after',
  never: 'never',
  maximum: (days: number) => `${counted(days, 'day')} (maximum)`,
  yourNewToken: 'Your new token',
  copyNow: (
    <>
      <strong>Copy this token now.</strong> It is shown only once and is not stored. Anyone who has it can act as you, so treat it like a
      password.
    </>
  ),
  tokenToCopy: 'token',
  commandToCopy: (computer: string) => `command: ${computer}`,
  expires: 'Expires',
  useTitle: 'How to use the token',
  howToUse: (variable: ComponentChildren, header: ComponentChildren) => (
    <>
      Pass it to a program in the environment variable {variable}, or send it as {header}. This request shows who you are:
    </>
  ),
  requestToCopy: 'example request',
  noNeedToCopy: 'On your own computer you do not need to copy tokens. The command line creates its own:',
  anyComputer: 'macOS, Linux and Windows',
  noBrowser: 'On a computer without a browser',
  done: 'Done',
} as const;

const HOME = '/console';
const NEW_TOKEN = `${HOME}/tokens/new`;
const DIALOG = 'new-token';

const LIFETIMES: readonly (readonly [days: number, label: string])[] = [
  [7, '7 days'],
  [30, '30 days'],
  [90, '90 days'],
  [365, '1 year'],
];
const DEFAULT_DAYS = 90;

export interface NewTokenProps {
  readonly frame: Frame;
  readonly role: Member['role'];
  /** The longest lifetime that the organization allows. */
  readonly maxDays: number | undefined;
}

/** Opens the dialog. Without scripts, opens a page with the same form. */
export const CreateTokenLink = () => (
  <a class="button" href={NEW_TOKEN} data-dialog={DIALOG}>
    {TEXTS.create}
  </a>
);

/** The dialog with the form for a new token. */
export const NewTokenDialog = (props: NewTokenProps) => (
  <dialog id={DIALOG} aria-labelledby="new-token-title">
    <article>
      <h2 id="new-token-title">{TEXTS.title}</h2>
      <NewTokenForm {...props}>
        <button type="submit" class="secondary" formmethod="dialog" formnovalidate>
          {TEXTS.cancel}
        </button>
      </NewTokenForm>
    </article>
  </dialog>
);

/** The page with the same form. */
export const NewTokenFormPage = (props: NewTokenProps) => (
  <ConsolePage frame={props.frame} section="credentials" title={TEXTS.title} back={{ href: HOME, label: TEXTS.back }}>
    <div class="panel">
      <NewTokenForm {...props}>
        <a class="button secondary" href={HOME}>
          {TEXTS.cancel}
        </a>
      </NewTokenForm>
    </div>
  </ConsolePage>
);

/** Offers only the lifetimes that the organization allows, including “never” if it sets no limit. */
function NewTokenForm({ frame, role, maxDays, children }: NewTokenProps & { readonly children: ComponentChildren }) {
  const offered = LIFETIMES.filter(([days]) => maxDays === undefined || days < maxDays);
  const chosen = offered.some(([days]) => days === DEFAULT_DAYS) ? DEFAULT_DAYS : maxDays;
  return (
    <PostForm action={`${HOME}/tokens`} csrfToken={frame.csrfToken}>
      <label>
        {TEXTS.name}
        <input
          name="name"
          type="text"
          required
          autofocus
          maxlength={100}
          autocomplete="off"
          placeholder={TEXTS.nameExample}
          aria-describedby="hint-name"
        />
      </label>
      <small class="hint" id="hint-name">
        {TEXTS.nameHint}
      </small>
      <label>
        {TEXTS.expiresAfter}
        <select name="expires_in_days">
          {offered.map(([days, label]) => (
            <option value={days} selected={days === chosen}>
              {label}
            </option>
          ))}
          {maxDays === undefined ? (
            <option value="">{TEXTS.never}</option>
          ) : (
            <option value={maxDays} selected={maxDays === chosen}>
              {TEXTS.maximum(maxDays)}
            </option>
          )}
        </select>
      </label>
      <p class="small">
        {TEXTS.whatHolderCanDo(<ForeignText text={frame.organization?.name ?? TEXTS.yourOrganization} />, <strong>{role}</strong>)}
      </p>
      <p class="small">{TEXTS.whenTokenStops}</p>
      <div class="buttons">
        <button type="submit">{TEXTS.create}</button>
        {children}
      </div>
    </PostForm>
  );
}

export interface CreatedTokenPageProps {
  readonly frame: Frame;
  readonly created: { readonly name: string; readonly token: string; readonly endsAtMs?: number | undefined };
  readonly loginCommand: string;
  /** The URL of the API. */
  readonly apiUrl: string;
}

/** Shows a new token. No other page ever shows it. */
export function CreatedTokenPage({ frame, created: { name, token, endsAtMs }, loginCommand, apiUrl }: CreatedTokenPageProps) {
  return (
    <ConsolePage frame={frame} section="credentials" title={TEXTS.yourNewToken} back={{ href: HOME, label: TEXTS.back }}>
      <div class="panel">
        <Callout kind="warning">
          <p>{TEXTS.copyNow}</p>
        </Callout>
        <Copy value={token} what={TEXTS.tokenToCopy} block />
        <Facts
          facts={[
            [TEXTS.name, name],
            [TEXTS.expires, endsAtMs === undefined ? TEXTS.never : <Moment ms={endsAtMs} />],
          ]}
        />
        <h2>{TEXTS.useTitle}</h2>
        <p>{TEXTS.howToUse(<code>SAMLGATE_CLI_TOKEN</code>, <code>Authorization: Bearer …</code>)}</p>
        <Copy value={`curl -H "Authorization: Bearer $SAMLGATE_CLI_TOKEN" ${apiUrl}/me`} what={TEXTS.requestToCopy} block />
        <p>{TEXTS.noNeedToCopy}</p>
        <LoginCommands command={loginCommand} />
        <p class="buttons">
          <a class="button" href={HOME}>
            {TEXTS.done}
          </a>
        </p>
      </div>
    </ConsolePage>
  );
}

/** The commands that sign in on each kind of computer. */
const LoginCommands = ({ command }: { readonly command: string }) => (
  <>
    {[[TEXTS.anyComputer, command] as const, [TEXTS.noBrowser, `${command} --no-browser`] as const].map(([label, line]) => (
      <>
        <p class="small">{label}</p>
        <Copy value={line} what={TEXTS.commandToCopy(label)} block />
      </>
    ))}
  </>
);
