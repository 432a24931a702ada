/** Looks up the verification record of a domain in DNS. */
import type { Runtime } from '../../runtime.ts';
import { type DomainClaim, type RecordCheck, recordName, recordValue } from './domain-claims.ts';

/** Each server is asked twice. */
const TIMEOUT_MS = 2_000;
const TRIES = 2;
/** Longer than the tries of two servers; more servers share it. */
const GIVE_UP_AFTER_MS = 15_000;

/** The answers that say that there is no such record: NXDOMAIN, and a name without TXT records. */
const MISSING: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA']);

export interface RecordLookUp {
  readonly result: RecordCheck;
  /** Why the record was not found, for the owner. */
  readonly problem: string;
}

/** Never throws: a failure of DNS is a result. */
export async function lookUpRecord({ config }: Runtime, { domain, token }: DomainClaim): Promise<RecordLookUp> {
  const name = recordName(domain);
  try {
    const records = await resolveTxt(name, config.dnsServers);
    if (records.includes(recordValue(token))) return { result: 'found', problem: '' };
    // A server that does not follow a CNAME answers with the CNAME only.
    if (records.length === 0) return noRecord(name);
    return {
      result: 'missing',
      problem: `DNS has ${records.length === 1 ? 'a TXT record' : 'TXT records'} named ${name}, but none with the expected value. Copy the value again.`,
    };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (MISSING.has(code)) return noRecord(name);
    return { result: 'unknown', problem: `The DNS servers gave no answer about ${name} (${code ?? 'unknown error'}). Try again later.` };
  }
}

const noRecord = (name: string): RecordLookUp => ({
  result: 'missing',
  problem: `DNS has no TXT record named ${name}. Publish the record, and try again in a few minutes, because DNS servers cache missing records.`,
});

/** Returns the values of all TXT records. DNS splits a value of more than 255 octets into several strings (RFC 1035 §3.3.14). */
async function resolveTxt(name: string, servers: readonly string[] | undefined): Promise<string[]> {
  const { Resolver } = await import('node:dns/promises');
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers) resolver.setServers(servers);
  const deadline = setTimeout(() => resolver.cancel(), GIVE_UP_AFTER_MS);
  try {
    return (await resolver.resolveTxt(name)).map((strings) => strings.join('').trim());
  } finally {
    clearTimeout(deadline);
  }
}
