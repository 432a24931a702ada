import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { SLUG } from '../../src/http/api/field-shapes.ts';
import { proposeSlug, slugCandidates } from '../../src/organizations/slug-proposal.ts';

describe('proposed slugs', () => {
  it.each([
    ['Acme', 'acme'],
    ['Müller & Söhne GmbH', 'muller-sohne-gmbh'],
    ['Straße 7', 'strasse-7'],
    ['  --Crédit  Agricole-- ', 'credit-agricole'],
    ['東京', undefined],
    ['A', undefined],
    ['<script>', 'script'],
  ])('proposes for %p %p', (name, slug) => {
    expect(proposeSlug(name)).toBe(slug);
  });

  it.each(['Acme', 'Müller & Söhne GmbH', 'Straße 7', '  --Crédit  Agricole-- ', '東京', '<script>', 'ä-'.repeat(200), 'ﬁ Ⅷ İ ẞ'])(
    'are the same in the browser for %p',
    (name) => {
      expect(slugInBrowser(name)).toBe(proposeSlug(name) ?? '');
    },
  );

  it('are valid slugs, however long the name is', () => {
    const proposal = proposeSlug('ä-'.repeat(200)) ?? '';
    for (const slug of slugCandidates(proposal)) expect(SLUG.safeParse(slug).success).toBe(true);
    expect(new Set(slugCandidates(proposal)).size).toBe(20);
  });
});

const SCRIPT = readFileSync('src/console/assets/slug.js', 'utf8');

/** Runs the script of the form with two fields, and enters a name. */
function slugInBrowser(value: string): string {
  const listeners = new Map<string, () => void>();
  const field = (name: string) => ({ value: '', addEventListener: (_event: string, run: () => void) => listeners.set(name, run) });
  const fields = { name: field('name'), slug: field('slug') };
  runInNewContext(SCRIPT, {
    document: { querySelector: (selector: string) => (selector.includes('slug') ? fields.slug : fields.name) },
  });
  fields.name.value = value;
  listeners.get('name')?.();
  return fields.slug.value;
}
