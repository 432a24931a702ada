/** Validates XML against the OASIS schemas, with xmllint and Debian's packages opensaml-schemas and xmltooling-schemas. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const OPENSAML = '/usr/share/xml/opensaml';
const XMLTOOLING = '/usr/share/xml/xmltooling';
/** Maps the URLs that the schemas import to local files. */
const LOCATIONS: Readonly<Record<string, string>> = {
  'http://www.w3.org/TR/2002/REC-xmldsig-core-20020212/xmldsig-core-schema.xsd': `${XMLTOOLING}/xmldsig-core-schema.xsd`,
  'http://www.w3.org/TR/2002/REC-xmlenc-core-20021210/xenc-schema.xsd': `${XMLTOOLING}/xenc-schema.xsd`,
  'http://www.w3.org/2001/xml.xsd': `${XMLTOOLING}/xml.xsd`,
};

/** Returns the messages of xmllint, or an empty string if the document is valid. */
export async function schemaProblems(xml: string, schema: 'metadata' | 'protocol'): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), 'samlgate-schema-'));
  try {
    const entries = Object.entries(LOCATIONS).map(
      ([url, file]) => `<system systemId="${url}" uri="file://${file}"/><uri name="${url}" uri="file://${file}"/>`,
    );
    writeFileSync(
      path.join(folder, 'catalog.xml'),
      `<catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog">${entries.join('')}</catalog>`,
    );
    const file = path.join(folder, 'document.xml');
    writeFileSync(file, xml);
    const options = ['--nonet', '--noout', '--schema', `${OPENSAML}/saml-schema-${schema}-2.0.xsd`, file];
    const { stderr } = await promisify(execFile)('xmllint', options, {
      env: { ...process.env, XML_CATALOG_FILES: path.join(folder, 'catalog.xml') },
    });
    // xmllint only warns about a schema that it could not load. The warning about a schema that is imported twice is harmless.
    const lines = stderr.split('\n').filter((line) => line !== '' && !line.includes('since this namespace was already imported'));
    return lines.join('\n') === `${file} validates` ? '' : stderr;
  } catch (error) {
    return (error as { stderr?: string }).stderr ?? String(error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
