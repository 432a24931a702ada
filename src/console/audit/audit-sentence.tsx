import type { ComponentChildren } from 'preact';
import { AUDIT_EVENTS, type AuditEntry, type AuditEvent } from '../../audit.ts';
import { ERRORS, type ErrorCode } from '../../errors.ts';
import { ForeignText } from '../parts/foreign-text.tsx';

/** The names of the members and connections that still exist, by ID. */
export interface AuditNames {
  readonly members: ReadonlyMap<string, { readonly name: string; readonly email: string }>;
  readonly connections: ReadonlyMap<string, string>;
}

export interface AuditSentenceProps {
  readonly entry: AuditEntry;
  readonly names: AuditNames;
  /** The path of the Members page, if the viewer has one. */
  readonly membersPath: string | undefined;
}

const TEXTS = {
  unknown: 'unknown',
  andMore: (items: string, count: number) => `${items} and ${count} more`,
  rule: (group: string, role: string) => `${group} → ${role}`,
  removedRule: (rule: string) => `without ${rule}`,
} as const;

export const isAuditEvent = (text: string): text is AuditEvent => Object.hasOwn(AUDIT_EVENTS, text);

/** Says what happened, in the sentence of the event. Values in it are isolated from the text around them and shortened. */
export function AuditSentence(props: AuditSentenceProps) {
  const { event } = props.entry;
  if (!isAuditEvent(event)) return <ForeignText text={event} />;
  return <>{AUDIT_EVENTS[event].sentence.split(OPTIONAL).map((part, index) => fillPart(part, index % 2 === 1, props))}</>;
}

/** Captures the parts in brackets, so that they have the odd indexes of the split sentence. */
const OPTIONAL = /\[([^\]]*)\]/;
const PLACEHOLDER = /\{(\w+)\}/;

function fillPart(part: string, isOptional: boolean, props: AuditSentenceProps): ComponentChildren {
  const pieces = part.split(PLACEHOLDER).map((piece, index) => (index % 2 === 1 ? placeholderValue(piece, props) : piece));
  if (isOptional && pieces.includes(undefined)) return null;
  return pieces.map((piece) => piece ?? TEXTS.unknown);
}

const ACTORS: Readonly<Record<AuditEntry['actor']['kind'], string>> = {
  operator: 'The operator',
  member: 'A member',
  identity_provider: 'The identity provider',
  gateway: 'The gateway',
  setup_link: 'A user with a setup link',
  scim: 'A SCIM client',
  anonymous: 'An unknown user',
};

function placeholderValue(name: string, props: AuditSentenceProps): ComponentChildren | undefined {
  const { entry, names } = props;
  const { details = {}, actor, member_id: memberId, code } = entry;
  if (name === 'actor') {
    return actor.kind === 'member' ? <Member {...props} id={actor.id} email={actor.email} fallback={ACTORS.member} /> : ACTORS[actor.kind];
  }
  if (name === 'member') return memberId && <Member {...props} id={memberId} email={textIn(details, 'email')} fallback={memberId} />;
  if (name === 'reason')
    return code && (Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode].administrator.title : <Value text={code} />);
  const text = name === 'rules' ? rulesText(details) : textOf(details, name);
  if (name === 'by' && text !== undefined && Object.hasOwn(MEANS, text)) return MEANS[text];
  return text === undefined ? undefined : <Value text={name === 'connection' ? (names.connections.get(text) ?? text) : text} />;
}

/** How a user became a member. */
const MEANS: Readonly<Record<string, string>> = { scim: 'SCIM', email: 'email address' };

interface MemberProps extends AuditSentenceProps {
  readonly id: string | undefined;
  readonly email: string | undefined;
  readonly fallback: string;
}

function Member({ names, membersPath, id, email, fallback }: MemberProps) {
  const member = id === undefined ? undefined : names.members.get(id);
  const label = <Value text={member?.name ?? email ?? fallback} />;
  if (!member || membersPath === undefined) return label;
  return <a href={`${membersPath}/${id}`}>{label}</a>;
}

/** Details may be of any length, because other versions of the gateway and their clients wrote them. */
const MAX_VALUE = 120;
const MAX_ITEMS = 3;

const Value = ({ text }: { readonly text: string }) => (
  <ForeignText text={text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE).toWellFormed()}…` : text} />
);

const textIn = (details: Readonly<Record<string, unknown>>, name: string): string | undefined => {
  const value = Object.hasOwn(details, name) ? details[name] : undefined;
  return typeof value === 'string' ? value : undefined;
};

/** Returns a detail in words: lists shortened, the names of the members of an object, and `role_mapping` as “role mapping”. */
function textOf(details: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = Object.hasOwn(details, name) ? details[name] : undefined;
  if (typeof value === 'string') return isWord(value) ? value.replaceAll('_', ' ') : value || undefined;
  if (typeof value === 'number') return value.toLocaleString('en');
  if (Array.isArray(value)) return listText(value.map(String).map(name === 'fields' ? fieldText : (text) => text));
  return typeof value === 'object' && value !== null ? listText(Object.keys(value).map(fieldText)) : undefined;
}

/** Names of fields that are not clear when their words are separated. */
const FIELD_NAMES: Readonly<Record<string, string>> = {
  idpInitiated: 'sign-ins that start at the identity provider',
  forceAuthn: 'authentication at every sign-in',
  authnContext: 'required authentication methods',
  nameIdFormat: 'NameID format',
  allowCreate: 'creation of identifiers',
  clockSkewSeconds: 'clock tolerance',
  allowedReturnUrls: 'allowed return URLs',
  groupsFrom: 'groups for role rules',
  scimLinkAttribute: 'attribute that links SCIM users',
};

/** Returns the name of a field in words, such as “sign requests” for signRequests. */
const fieldText = (name: string): string =>
  Object.hasOwn(FIELD_NAMES, name) ? (FIELD_NAMES[name] ?? name) : /^[a-z]+(?:[A-Z][a-z]+)+$/.test(name) ? separateWords(name) : name;

const separateWords = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

const isWord = (text: string): boolean => text.length < 40 && /^[a-z]+(?:_[a-z]+)+$/.test(text);

function listText(items: readonly string[]): string | undefined {
  if (items.length === 0) return undefined;
  const more = items.length - MAX_ITEMS;
  const shown = items.slice(0, MAX_ITEMS).join(', ');
  return more > 0 ? TEXTS.andMore(shown, more) : shown;
}

/** Returns the rules that changed as “group → role”. Older entries hold only the rules after the change. */
function rulesText(details: Readonly<Record<string, unknown>>): string | undefined {
  const listOf = (name: string) => (Array.isArray(details[name]) ? (details[name] as readonly unknown[]).flatMap(ruleText) : []);
  if (!Array.isArray(details.added) && !Array.isArray(details.removed)) return listText(listOf('rules'));
  return listText([...listOf('added'), ...listOf('removed').map(TEXTS.removedRule)]);
}

function ruleText(rule: unknown): string[] {
  const { group, role } = (rule ?? {}) as { readonly group?: unknown; readonly role?: unknown };
  return typeof group === 'string' && typeof role === 'string' ? [TEXTS.rule(group, role)] : [];
}
