/** Proposes the slug of a new organization from its name. */

const MAX_LENGTH = 60;
/** How many organizations with the same name get a slug of their own. */
const MAX_TRIES = 20;

/** Returns a slug for a name, or undefined if the name has no letters or digits of the Latin alphabet. */
export function proposeSlug(name: string): string | undefined {
  const slug = name
    .normalize('NFKD')
    .replaceAll('ß', 'ss')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_LENGTH)
    .replace(/^-+|-+$/g, '');
  return slug.length < 2 ? undefined : slug;
}

/** Returns the proposal, and variants of it for organizations of the same name. */
export const slugCandidates = (proposal: string): readonly string[] => [
  proposal,
  ...Array.from({ length: MAX_TRIES - 1 }, (_, index) => `${proposal}-${index + 2}`),
];
