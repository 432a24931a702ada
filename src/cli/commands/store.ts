/** `samlgate store …`: copies and checks stores, on the machine of the operator. */
import type { Command } from 'commander';
import { DEFAULT_STORE, STORE_URL, STORE_URL_FORMS } from '../../store-location.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { countOf, print, printLine, printNote } from '../output.ts';
import { describeStoreProblem } from '../store-problem.ts';

const URLS =
  '\nFROM and TO are URLs as in SAMLGATE_STORE, or names of environment variables that contain one, which keeps passwords out of the list of processes.';

export function addStore(program: Command): void {
  const store = program
    .command('store')
    .description('copy and check stores (operator)')
    .addHelpText('after', '\nHow to back up and restore a store: docs/operations.md, section “Backup and restore”.');
  store
    .command('copy <from> <to>')
    .description('copy a store to an empty one: SQLite, Redis, Sentinel or Cluster')
    .option('--without-sessions', 'leave out sessions, so that users sign in again')
    .option('--dry-run', 'check both stores and count, without writing anything')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `${URLS}\n\nStop all gateways first. SAMLGATE_SECRET must be the secret of FROM; for a SQLite file, the file beside it is read. If the copy is interrupted, run the same command again.\n\nExample:\n  samlgate store copy sqlite:./data/samlgate.db redis://redis.internal:6379`,
    )
    .action(copy);
  store
    .command('check [store]')
    .description('read every entry of a store, its index and its keys, and report problems; changes nothing')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nThe default is SAMLGATE_STORE.\n\nExample:\n  samlgate store check')
    .action(check);
}

/** @throws UsageError */
function urlOf(given: string): string {
  const url = /^[A-Z][A-Z0-9_]*$/.test(given) ? process.env[given]?.trim() : given;
  if (url !== undefined && STORE_URL.test(url)) return url;
  throw new UsageError(`${/^[A-Z]/.test(given) ? given : 'A store'} must be ${STORE_URL_FORMS}.`);
}

interface CopyOptions {
  readonly withoutSessions?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

async function copy(given: string, givenTo: string, { withoutSessions = false, dryRun = false, json }: CopyOptions): Promise<void> {
  const [from, to] = [urlOf(given), urlOf(givenTo)];
  const { copyStore } = await import('../../store-tools/copy-store.ts');
  const { readStoreSecrets } = await import('../../store-tools/wrapped-keys.ts');
  const result = await orCommandError(async () => {
    const secrets = readStoreSecrets(process.env, from);
    return copyStore({ from, to, secrets, withoutSessions, isDryRun: dryRun, report: progress() });
  });
  print(json, { ...result, dry_run: dryRun }, () => {
    const { records, values, already } = result;
    printLine(
      `${dryRun ? 'Would copy' : 'Copied and verified'} ${countOf(records, 'record')} and ${countOf(values, 'value')} that expire${values === 1 ? 's' : ''}.`,
    );
    if (already > 0) printLine(`${already} ${already === 1 ? 'entry' : 'entries'} had been copied before.`);
    for (const note of result.notes) printLine(`warning: ${note}`);
    if (!dryRun)
      printLine(
        'Start the gateways with the new SAMLGATE_STORE, and with the same SAMLGATE_SECRET and SAMLGATE_OPERATOR_TOKEN as before. Never start one on the old store again: it does not know what is revoked from now on.',
      );
  });
}

async function check(given: string | undefined, { json }: { json?: boolean }): Promise<void> {
  const url = urlOf(given ?? (process.env.SAMLGATE_STORE?.trim() || DEFAULT_STORE));
  const { checkStore } = await import('../../store-tools/check-store.ts');
  const { readStoreSecrets } = await import('../../store-tools/wrapped-keys.ts');
  const report = progress();
  const result = await orCommandError(() => checkStore(url, readStoreSecrets(process.env, url), (entries) => report('Checked', entries)));
  print(json, result, () => {
    printLine(`Read ${countOf(result.records, 'record')} and ${countOf(result.values, 'value')} that expire.`);
    for (const problem of result.problems) printLine(`ERROR ${problem}`);
  });
  if (result.problems.length > 0) throw new CommandError(`${countOf(result.problems.length, 'problem')} found.`);
}

const REPORT_EVERY = 1000;

/** Returns a function that prints a line on standard error for each 1,000 entries of a phase. */
function progress(): (phase: string, entries: number) => void {
  let next = REPORT_EVERY;
  let current: string | undefined;
  return (phase, entries) => {
    if (phase !== current) next = REPORT_EVERY;
    current = phase;
    if (entries < next) return;
    next = entries - (entries % REPORT_EVERY) + REPORT_EVERY;
    printNote(`${phase} ${entries} entries …`);
  };
}

/** @throws CommandError for what the operator can resolve */
async function orCommandError<T>(work: () => Promise<T>): Promise<T> {
  const { GatewayError } = await import('../../errors.ts');
  const { StoreToolError } = await import('../../store-tools/store-tool-error.ts');
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreToolError) throw new CommandError(error.message);
    if (error instanceof GatewayError && error.code === 'store_unavailable') throw new CommandError(describeStoreProblem(error));
    throw error;
  }
}
