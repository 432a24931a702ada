/** A short flood with every kind of traffic of strangers. `npm run bench:flood` sends it for a minute and measures more. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from '@jest/globals';
import { flushRefusalCounts, pruneRefusalCounts, REFUSAL_COUNT_DAYS } from '../../src/audit-trail/refusal-counts.ts';
import { trimAudit } from '../../src/audit-trail/trim-audit.ts';
import { GLOBAL } from '../../src/store/store.ts';
import { DAY_MS } from '../../src/time.ts';
import { flood, growth, makeFloodTarget, storedOctets } from '../bench/flood-traffic.ts';
import { startGateway } from '../support/gateway.ts';

it('leaves nothing of a flood of strangers in the store, once what is kept for a limited time has expired', async () => {
  let aheadMs = 0;
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-flood-'));
  const url = `sqlite:${path.join(directory, 'samlgate.db')}`;
  const environment = { SAMLGATE_STORE: url, SAMLGATE_RATE_LIMITS: 'on', SAMLGATE_AUDIT_DAYS: '1', SAMLGATE_TRUST_PROXY: 'loopback' };
  const gateway = await startGateway({ environment, now: () => Date.now() + aheadMs });
  try {
    const target = await makeFloodTarget(gateway);
    const before = await storedOctets(url, Date.now());
    const result = await flood(target, { seconds: 10, addresses: ['198.51.100.1'], share: 0.1 });
    expect(result['hostile SAML responses']?.[400]).toBeGreaterThan(25);
    await flushRefusalCounts(gateway.runtime);
    const during = growth(before, await storedOctets(url, Date.now()));
    // Some 30 started sign-ins of at most 2 kB, device logins, and the capped sign-in log.
    expect(Object.values(during).reduce((sum, octets) => sum + octets, 0)).toBeLessThan(300_000);
    aheadMs = (REFUSAL_COUNT_DAYS + 1) * DAY_MS;
    for (const partition of [target.organization.id, GLOBAL]) {
      await pruneRefusalCounts(gateway.runtime, partition);
      await trimAudit(gateway.runtime, partition);
    }
    expect(growth(before, await storedOctets(url, gateway.runtime.now()))).toEqual({});
  } finally {
    await gateway.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}, 120_000);
