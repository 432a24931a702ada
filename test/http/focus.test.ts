import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { h } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { initialsOf } from '../../src/console/organization-mark.tsx';
import { NoticeBox } from '../../src/console/parts/notice.tsx';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;
beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
  olivia = await signedIn(gateway, acme, 'olivia');
});
afterAll(() => gateway.stop());

/** Returns the start tags of the elements that receive the focus when a page opens. Browsers focus the first. */
const focused = ({ text }: Page): string[] => [...text.matchAll(/<\w+ [^>]*\bautofocus\b[^>]*>/g)].map(([tag]) => tag);

describe('focus when a page opens', () => {
  test('is in the only field of the sign-in page, and after a refused entry still there, marked as invalid', async () => {
    const browser = new HttpBrowser();
    const page = await browser.open(`${gateway.url}/login`);
    expect(focused(page)).toEqual([expect.stringMatching(/^<input id="who"/)]);
    const refused = await browser.submit(page, { who: 'somebody@nowhere.example' });
    expect(focused(refused)).toEqual([expect.stringMatching(/^<input id="who".*aria-invalid="true" aria-describedby="unknown"/)]);
    expect(refused.text).toContain('id="unknown"');
  });

  test('is not in the field if the sign-in page offers the last organization', async () => {
    const page = await olivia.browser.open(`${gateway.url}/login`);
    expect(focused(page)).toEqual([]);
    expect(page.text).toContain(`<bdi>${acme.name}</bdi>`);
  });

  test('is on the problem after a refused form of the console, and not on a success', () => {
    const render = (kind: 'done' | 'problem') => renderToString(h(NoticeBox, { kind, text: 'Something' }));
    expect(render('problem')).toMatch(/^<div class="notice problem" role="alert" tabindex="-1" autofocus>/);
    expect(render('done')).toMatch(/^<div class="notice done" role="status">/);
  });

  test('is in no field of a page with several, whose title names the organization', async () => {
    const page = await olivia.browser.open(`${gateway.url}/console/domains`);
    expect(focused(page)).toEqual([]);
    expect(page.text).toContain(`<title>Domains · ${acme.name} · samlgate</title>`);
  });
});

describe('initials of an organization', () => {
  test.each([
    ['Acme Corporation', 'AC'],
    ['acme', 'A'],
    ['  Ünal  & Söhne GmbH', 'Ü&'],
    ['👩 family', '👩F'],
    ['\u202eevil', '⟨'],
    ['', ''],
  ])('of %j are %j', (name, initials) => expect(initialsOf(name)).toBe(initials));
});
