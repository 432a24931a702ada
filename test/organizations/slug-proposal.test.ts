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

  it('are valid slugs, however long the name is', () => {
    const proposal = proposeSlug('ä-'.repeat(200)) ?? '';
    for (const slug of slugCandidates(proposal)) expect(SLUG.safeParse(slug).success).toBe(true);
    expect(new Set(slugCandidates(proposal)).size).toBe(20);
  });
});
