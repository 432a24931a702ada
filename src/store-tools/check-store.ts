/** Checks a whole store. Changes nothing. */
import { DIRECTORY, type DirectoryEntry } from '../organizations/directory.ts';
import { isIntact, LOGO, LOGO_IMAGE, LOGO_RECORD, type Logo, type LogoImage } from '../organizations/logo/logo.ts';
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
        ...(await findLogoProblems(store, record)),
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

/** A logo and its image need each other. A damaged pair is reported once, for the logo if there is one. */
async function findLogoProblems(store: RawStore, { partition, collection, text }: RawRecord): Promise<string[]> {
  if (collection !== LOGO.name && collection !== LOGO_IMAGE.name) return [];
  const other = collection === LOGO.name ? LOGO_IMAGE.name : LOGO.name;
  const entry = await readRecord(store, { partition, collection: other, id: LOGO_RECORD });
  if (collection === LOGO_IMAGE.name ? entry : isIntactPair(text, entry)) return [];
  return [`${partition}: the logo is damaged. Set it again with: samlgate org logo SLUG FILE`];
}

/** An image that is not JSON is a problem of its own. */
const isIntactPair = (logo: string, image: RawRecord | undefined): boolean =>
  image !== undefined && (!isJson(image.text) || isIntact(JSON.parse(logo) as Logo, JSON.parse(image.text) as LogoImage));

type RecordRef = Pick<RawRecord, 'partition' | 'collection' | 'id'>;

async function readRecord(store: RawStore, ref: RecordRef): Promise<RawRecord | undefined> {
  const entry = (await store.read([{ kind: 'record', ...ref }]))[0];
  return entry?.kind === 'record' ? entry : undefined;
}

/** An organization and its entry in the directory need each other: the entry finds it by its slug and its domains. */
async function findDirectoryProblems(store: RawStore, { partition, collection, id, text }: RawRecord): Promise<string[]> {
  if (collection === ORGANIZATION.name) {
    const { slug } = JSON.parse(text) as Organization;
    const entry = await readRecord(store, { partition: GLOBAL, collection: DIRECTORY.name, id: partition });
    return entry ? [] : [`${partition}: the organization ${slug} is not in the directory`];
  }
  if (collection !== DIRECTORY.name) return [];
  const organization = await readRecord(store, { partition: id, collection: ORGANIZATION.name, id: ORGANIZATION_RECORD });
  if (organization) return [];
  const { slug } = JSON.parse(text) as DirectoryEntry;
  return [`${id}: the directory names an organization that does not exist. Delete it with: samlgate org delete ${slug}`];
}
