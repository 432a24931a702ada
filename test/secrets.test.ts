import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createSecrets } from '../src/secrets.ts';

const [current, previous, other] = [randomBytes(32), randomBytes(32), randomBytes(32)];
const TEXT = 'olivia@acme.example ✓ '.repeat(40);
const internal = expect.objectContaining({ code: 'internal' });

describe('sealing', () => {
  const secrets = createSecrets(current, undefined);

  it.each(['', 'x', TEXT])('returns the sealed text: %j', (text) => {
    expect(secrets.unseal('log acme', secrets.seal('log acme', text))).toBe(text);
  });

  it('hides the text, and gives another result each time', () => {
    const [one, two] = [secrets.seal('log acme', TEXT), secrets.seal('log acme', TEXT)];
    expect(one).not.toBe(two);
    for (const part of ['olivia', Buffer.from('olivia').toString('base64url')]) expect(one).not.toContain(part);
  });

  it('rejects another purpose and another secret', () => {
    const sealed = secrets.seal('log acme', TEXT);
    expect(() => secrets.unseal('log evil', sealed)).toThrow(internal);
    expect(() => createSecrets(other, previous).unseal('log acme', sealed)).toThrow(internal);
  });

  it('rejects every changed bit and every missing part', () => {
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

  it('unseals with the previous secret and seals with the current one', () => {
    const rotated = createSecrets(other, current);
    expect(rotated.unseal('p', secrets.seal('p', TEXT))).toBe(TEXT);
    expect(() => secrets.unseal('p', rotated.seal('p', TEXT))).toThrow(internal);
  });
});
