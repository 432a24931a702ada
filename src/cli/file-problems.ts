/** Describes what is wrong with a file that a schema rejects, in sentences that name the place in the file. */
import type { z } from 'zod';

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  array: 'a list',
  object: 'a mapping of names to values',
  boolean: 'true or false',
  number: 'a number',
};

/**
 * Returns one sentence per problem, such as `role_mapping.rules[0].group is required`.
 * @param content what was validated; it tells a missing value from a wrong one
 */
export function describeFileProblems(error: z.ZodError, content: unknown): string[] {
  return error.issues.flatMap((issue) => {
    const place = placeOf(issue.path);
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${placeOf([...issue.path, key])} is not a known field`);
    if (issue.code !== 'invalid_type') return [`${place}: ${issue.message}`];
    const value = issue.path.reduce<unknown>((parent, key) => (parent as Record<PropertyKey, unknown> | undefined)?.[key], content);
    if (value === undefined && issue.path.length > 0) return [`${place} is required`];
    return [`${place} must be ${EXPECTED[issue.expected] ?? issue.expected}, but it is ${kindOf(value)}`];
  });
}

/** Writes a path as in JavaScript: `rules[0].group`. */
function placeOf(path: readonly PropertyKey[]): string {
  const place = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return place === '' ? 'the file' : place.replace(/^\./, '');
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return EXPECTED[typeof value] ?? typeof value;
}
