import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';

const BENCH = path.join(import.meta.dirname, '../bench/growth.ts');

// A small part of `npm run bench:growth`. It compares CPU times, with room for their resolution, and no waiting times.
const WORK = { ORGANIZATIONS: '1000', MEMBERS: '2000', AUDIT: '10000', ROUNDS: '3', LOGINS: '60', CHECKS: '1500' };
const LIMITS = { RATIO: '1.5', WAIT_MS: 'Infinity' };

it('costs as much CPU time per sign-in and check with 1,000 organizations as with one', async () => {
  const env = { ...process.env, ...WORK, ...LIMITS };
  const result = await promisify(execFile)(process.execPath, [BENCH], { env }).catch((error: { stdout: string; stderr: string }) => error);
  expect(`${result.stdout}${result.stderr}`).not.toMatch(/MORE THAN|Error/);
  expect(result.stdout.match(/ratio to the small store/g)).toHaveLength(4);
}, 300_000);
