/** Verifies signatures with xmlsec1, which uses libxml2 and OpenSSL and shares no code with the gateway. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const OPTIONS = [
  '--verify',
  // Ignores the KeyInfo of the response.
  ...['--enabled-key-data', 'key-name'],
  ...['--id-attr:ID', 'urn:oasis:names:tc:SAML:2.0:protocol:Response'],
  ...['--id-attr:ID', 'urn:oasis:names:tc:SAML:2.0:assertion:Assertion'],
];
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/**
 * Returns the canonical octets that the signature of the element covers, in each of several files.
 * @throws Error if xmlsec1 finds a signature invalid
 */
export async function digestedByXmlsec1(
  files: readonly string[],
  certificateFile: string,
  element: 'Response' | 'Assertion',
): Promise<string[]> {
  const signature = `//*[local-name()='${element}']/*[local-name()='Signature']`;
  const options = [...OPTIONS, '--pubkey-cert-pem', certificateFile, '--node-xpath', signature, '--store-references', '--print-debug'];
  const { stdout } = await promisify(execFile)('xmlsec1', [...options, ...files], { maxBuffer: MAX_OUTPUT_BYTES });
  return stdout.split('== PreDigest data - start buffer:\n').slice(1).map(beforeEndOfBuffer);
}

const beforeEndOfBuffer = (output: string): string => output.slice(0, output.indexOf('\n== PreDigest data - end buffer'));

/**
 * xmlsec1 stops at the first file that fails, so each round begins after it. One shell runs all rounds, because starting a process from
 * this large one takes longer than a verification. Options come first, then `--`, then files.
 */
const ROUNDS = `
IFS='
'
options=; while [ "$1" != -- ]; do options="$options
$1"; shift; done; shift
while [ $# -gt 0 ]; do
  valid=$(xmlsec1 $options "$@" 2>&1 | grep -c '^OK$')
  echo "$valid"
  [ "$valid" -lt $# ] && valid=$((valid + 1))
  shift "$valid"
done`;

/** Returns the files that libxml2 can parse, with the program xmllint, which examines all of them in one process. */
async function parseableByLibxml2(files: readonly string[]): Promise<string[]> {
  const { stderr } = await promisify(execFile)('sh', ['-c', 'xmllint --noout "$@" || true', 'sh', ...files], {
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  const refused = new Set(stderr.split('\n').map((line) => /^(.*?):\d+: parser error : /.exec(line)?.[1]));
  return files.filter((file) => !refused.has(file));
}

/** Returns the files whose first signature is valid for xmlsec1 in its simplest use. */
export async function validForXmlsec1(files: readonly string[], certificateFile: string): Promise<string[]> {
  const options = [...OPTIONS, '--pubkey-cert-pem', certificateFile];
  // xmlsec1 uses libxml2 too, so it could not read the others, and would need a process for each.
  const parseable = await parseableByLibxml2(files);
  if (parseable.length === 0) return [];
  const { stdout } = await promisify(execFile)('sh', ['-c', ROUNDS, 'sh', ...options, '--', ...parseable]);
  const valid: string[] = [];
  let at = 0;
  for (const count of stdout.trim().split('\n').map(Number)) {
    valid.push(...parseable.slice(at, at + count));
    at += count + 1;
  }
  return valid;
}
