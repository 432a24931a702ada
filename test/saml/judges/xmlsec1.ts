/** Signatures by xmlsec1: libxml2 and OpenSSL, and none of our code. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const OPTIONS = [
  '--verify',
  // Nothing from the message's own KeyInfo.
  ...['--enabled-key-data', 'key-name'],
  ...['--id-attr:ID', 'urn:oasis:names:tc:SAML:2.0:protocol:Response'],
  ...['--id-attr:ID', 'urn:oasis:names:tc:SAML:2.0:assertion:Assertion'],
];
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/**
 * The canonical octets over which xmlsec1 finds a good signature of that element, in each of several files.
 * @throws Error where it finds one that is not good
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
 * xmlsec1 stops at the first file that is not good, so each round begins after it. One shell for all rounds, because to start
 * a process from this large one takes longer than a verification. Options come first, then `--`, then files.
 */
const ROUNDS = `
IFS='
'
options=; while [ "$1" != -- ]; do options="$options
$1"; shift; done; shift
while [ $# -gt 0 ]; do
  good=$(xmlsec1 $options "$@" 2>&1 | grep -c '^OK$')
  echo "$good"
  [ "$good" -lt $# ] && good=$((good + 1))
  shift "$good"
done`;

/** Those of the files whose first signature xmlsec1 finds good, as who calls it without much thought would ask. */
export async function goodForXmlsec1(files: readonly string[], certificateFile: string): Promise<string[]> {
  const options = [...OPTIONS, '--pubkey-cert-pem', certificateFile];
  const { stdout } = await promisify(execFile)('sh', ['-c', ROUNDS, 'sh', ...options, '--', ...files]);
  const good: string[] = [];
  let at = 0;
  for (const count of stdout.trim().split('\n').map(Number)) {
    good.push(...files.slice(at, at + count));
    at += count + 1;
  }
  return good;
}
