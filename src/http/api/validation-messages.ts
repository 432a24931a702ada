/** Plain sentences for what zod finds wrong with a request. They never quote values, which may be secret. */
import type { z } from 'zod';

/** How many problems one answer lists. */
const MAX_PROBLEMS = 10;

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

/** Describes one issue, unless its schema has its own message. Passed to zod as an error map. */
export function describeIssue(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is required' : `must be ${TYPES[issue.expected] ?? 'valid'}`;
    case 'invalid_value':
      return issue.values.length === 1 ? `must be ${String(issue.values[0])}` : `must be one of ${issue.values.map(String).join(', ')}`;
    case 'too_big':
      return `must ${sized(issue.origin, 'at most', Number(issue.maximum))}`;
    case 'too_small':
      return issue.origin === 'string' && issue.minimum === 1
        ? 'must not be empty'
        : `must ${sized(issue.origin, 'at least', Number(issue.minimum))}`;
    case 'invalid_format':
      return issue.format === 'datetime' ? 'must be a date and time such as 2026-01-31T12:00:00Z' : 'has an invalid format';
    default:
      return 'is invalid';
  }
}

function sized(origin: string, bound: string, size: number): string {
  if (origin === 'string') return `have ${bound} ${size} ${size === 1 ? 'character' : 'characters'}`;
  if (origin === 'array') return `have ${bound} ${size} ${size === 1 ? 'entry' : 'entries'}`;
  return `be ${bound} ${size}`;
}

/** Returns one line for each field with a problem, which is the first one found. */
export function problemsOf({ issues }: z.ZodError): string {
  const problems = new Map<string, string>();
  for (const issue of issues) {
    const path = issue.path.map(String).join('.');
    if (issue.code === 'unrecognized_keys') for (const key of issue.keys) problems.set(`${path}.${key}`, unknownField(path, key));
    else if (!problems.has(path)) problems.set(path, problemOf(issue, path));
  }
  return [...new Set(problems.values())].slice(0, MAX_PROBLEMS).join('\n');
}

function problemOf(issue: z.core.$ZodIssue, path: string): string {
  if (path !== '') return `${path}: ${issue.message}.`;
  // The request as a whole is wrong, such as a list instead of an object.
  return issue.code === 'invalid_type' ? 'Send a JSON object as the body of the request.' : `${issue.message}.`;
}

/** Names an unknown field only if the name looks like one: a key may also hold a secret or markup. */
function unknownField(path: string, key: string): string {
  if (/^[a-z_]{1,40}$/i.test(key)) return `${path === '' ? key : `${path}.${key}`}: is not a known field.`;
  return path === '' ? 'The request has an unknown field.' : `${path}: has an unknown field.`;
}
