import { ForeignText, visibleText } from './parts/foreign-text.tsx';

const SEGMENTER = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Returns the first characters of the first two words, in capitals. */
export function initialsOf(name: string): string {
  const words = visibleText(name).split(/\s+/).filter(Boolean).slice(0, 2);
  return words.map((word) => [...SEGMENTER.segment(word)][0]?.segment.toUpperCase() ?? '').join('');
}

/** Shows an organization by its initials and its name. Its logo has an address on another host, which pages never load. */
export const OrganizationMark = ({ name }: { readonly name: string }) => (
  <>
    <span class="mark" aria-hidden="true">
      {initialsOf(name)}
    </span>{' '}
    <ForeignText text={name} />
  </>
);
