/** Checks a whole store. Changes nothing. */
import { DIRECTORY, type DirectoryEntry } from '../organizations/directory.ts';
import { isIntact, LOGO, type Logo } from '../organizations/logo/logo.ts';
import { ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations/organizations.ts';
import { findSchemaProblem } from '../schema/schema-version.ts';
import type { RawEntry, RawRecord, RawStore } from '../store/raw/raw-entries.ts';
import { openRawStore } from '../store/raw/raw-store.ts';
import { GLOBAL } from '../store/store.ts';
import { readerOf } from './copy-store.ts';
import { findUnopenedKeys, type StoreSecrets } from './wrapped-keys.ts';

export interface CheckResult {
  readonly records: number;
  readonly values: number;
  readonly problems: readonly string[];
}

/** Problems that are reported. A damaged store may have one per record. */
const MAX_PROBLEMS = 100;

/** Reads every entry, its index strings and its keys. @throws store_unavailable */
export async function checkStore(url: string, secrets: StoreSecrets, report?: (entries: number) => void): Promise<CheckResult> {
  const store = await openRawStore(url);
  try {
    const schema = await findSchemaProblem(readerOf(store));
    if (schema) return { records: 0, values: 0, problems: [schema.text] };
    const counts = { records: 0, values: 0 };
    const problems: string[] = [];
    for await (const batch of store.scan()) {
      for (const { kind } of batch) counts[kind === 'record' ? 'records' : 'values']++;
      if (problems.length < MAX_PROBLEMS) problems.push(...(await problemsIn(store, batch, secrets)));
      report?.(counts.records + counts.values);
    }
    return { ...counts, problems: problems.slice(0, MAX_PROBLEMS) };
  } finally {
    await store.close();
  }
}

async function problemsIn(store: RawStore, batch: readonly RawEntry[], secrets: StoreSecrets): Promise<string[]> {
  const records = batch.filter((entry) => entry.kind === 'record');
  const problems = [...(await store.findBrokenIndexes(records))];
  for (const record of records) {
    if (!isJson(record.text)) problems.push(`${record.partition}: the ${record.collection} ${record.id} is not JSON`);
    else
      problems.push(
        ...(await findUnopenedKeys(record, secrets)),
        ...(await findDirectoryProblems(store, record)),
        ...findLogoProblems(record),
      );
  }
  return problems;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function findLogoProblems({ partition, collection, text }: RawRecord): string[] {
  if (collection !== LOGO.name || isIntact(JSON.parse(text) as Logo)) return [];
  return [`${partition}: the logo is damaged. Set it again with: samlgate org logo SLUG FILE`];
}

/** An organization and its entry in the directory need each other: the entry finds it by its slug and its domains. */
async function findDirectoryProblems(store: RawStore, { partition, collection, id, text }: RawRecord): Promise<string[]> {
  const read = async (ref: Pick<RawRecord, 'partition' | 'collection' | 'id'>) => (await store.read([{ kind: 'record', ...ref }]))[0];
  if (collection === ORGANIZATION.name) {
    const { slug } = JSON.parse(text) as Organization;
    const entry = await read({ partition: GLOBAL, collection: DIRECTORY.name, id: partition });
    return entry ? [] : [`${partition}: the organization ${slug} is not in the directory`];
  }
  if (collection !== DIRECTORY.name) return [];
  const organization = await read({ partition: id, collection: ORGANIZATION.name, id: ORGANIZATION_RECORD });
  if (organization) return [];
  const { slug } = JSON.parse(text) as DirectoryEntry;
  return [`${id}: the directory names an organization that does not exist. Delete it with: samlgate org delete ${slug}`];
}
