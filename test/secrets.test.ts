import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { makeSecrets } from '../src/secrets.ts';

const [present, former, other] = [randomBytes(32), randomBytes(32), randomBytes(32)];
const TEXT = 'olivia@acme.example ✓ '.repeat(40);
const internal = expect.objectContaining({ code: 'internal' });

describe('what is sealed', () => {
  const secrets = makeSecrets(present, undefined);

  it.each(['', 'x', TEXT])('is opened again: %j', (text) => {
    expect(secrets.unseal('log acme', secrets.seal('log acme', text))).toBe(text);
  });

  it('shows nothing of what is in it, and never looks the same', () => {
    const [one, two] = [secrets.seal('log acme', TEXT), secrets.seal('log acme', TEXT)];
    expect(one).not.toBe(two);
    for (const part of ['olivia', Buffer.from('olivia').toString('base64url')]) expect(one).not.toContain(part);
  });

  it('stays shut for another purpose, and for another secret', () => {
    const sealed = secrets.seal('log acme', TEXT);
    expect(() => secrets.unseal('log evil', sealed)).toThrow(internal);
    expect(() => makeSecrets(other, former).unseal('log acme', sealed)).toThrow(internal);
  });

  it('stays shut where one bit of it is another, or a part is missing', () => {
    const sealed = secrets.seal('p', 'short');
    const [kid = '', text = ''] = sealed.split('.');
    const octets = Buffer.from(text, 'base64url');
    for (let bit = 0; bit < octets.length * 8; bit++) {
      const changed = Buffer.from(octets);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => secrets.unseal('p', `${kid}.${changed.toString('base64url')}`)).toThrow(internal);
    }
    for (let length = 0; length < octets.length; length++)
      expect(() => secrets.unseal('p', `${kid}.${octets.subarray(0, length).toString('base64url')}`)).toThrow(internal);
    for (const broken of ['', '.', kid, `${kid}.`, `.${text}`, `${kid}x.${text}`])
      expect(() => secrets.unseal('p', broken)).toThrow(internal);
  });

  it('is opened with the previous secret, and sealed with the present one', () => {
    const rotated = makeSecrets(other, present);
    expect(rotated.unseal('p', secrets.seal('p', TEXT))).toBe(TEXT);
    expect(() => secrets.unseal('p', rotated.seal('p', TEXT))).toThrow(internal);
  });
});
