/** Finds settings that are valid but probably not what the operator intends. Startup logs them, and `samlgate doctor` reports them. */
import { isLoopbackHost } from '../client/loopback.ts';
import { type Config, VARIABLES } from '../config.ts';

export interface ConfigurationWarning {
  readonly text: string;
  readonly advice: string;
}

/** Variables that only the command line and the examples read. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(['SAMLGATE_URL', 'SAMLGATE_CLI_TOKEN', 'SAMLGATE_ORGANIZATION']);

export function findConfigurationWarnings(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
): readonly ConfigurationWarning[] {
  return [...baseUrlWarnings(config), ...secretWarnings(config), ...unknownVariables(environment)];
}

function baseUrlWarnings({ baseUrl, isHttps, listen, trustProxy }: Config): ConfigurationWarning[] {
  // The gateway does not speak TLS, so an https URL belongs to a proxy, which listens on its own port.
  if (isHttps) return [];
  const { hostname, port } = new URL(baseUrl);
  const warnings: ConfigurationWarning[] = [];
  if (!isLoopbackHost(hostname)) {
    warnings.push({
      text: 'SAMLGATE_BASE_URL is not https, so sessions and tokens can be read on the network',
      advice: 'Put a proxy that terminates TLS in front of the gateway, and set SAMLGATE_BASE_URL to its https URL.',
    });
  }
  const publicPort = Number(port || 80);
  if (trustProxy === false && listen.port !== 0 && listen.port !== publicPort) {
    warnings.push({
      text: `SAMLGATE_BASE_URL has port ${publicPort}, but the gateway listens on port ${listen.port} (SAMLGATE_LISTEN)`,
      advice: `Browsers are redirected to port ${publicPort}. Use the same port in both, unless a proxy or a container maps one to the other.`,
    });
  }
  return warnings;
}

function secretWarnings({ secretFile }: Config): ConfigurationWarning[] {
  if (!secretFile || secretFile.isCurrent) return [];
  return [
    {
      text: `${secretFile.path} contains another secret than SAMLGATE_SECRET`,
      advice: `Before you unset SAMLGATE_SECRET, write its value into that file. Otherwise the gateway would start with the secret in the file.`,
    },
  ];
}

function unknownVariables(environment: Readonly<Record<string, string | undefined>>): ConfigurationWarning[] {
  const known = VARIABLES.map(({ name }) => name);
  return Object.keys(environment)
    .filter((name) => name.startsWith('SAMLGATE_') && !known.includes(name) && !OTHER_VARIABLES.has(name))
    .sort()
    .map((name) => ({
      text: `${name} is not a setting of the gateway and is ignored`,
      advice: `Did you mean ${nearest(name, known)}? samlgate serve --help lists all settings.`,
    }));
}

function nearest(name: string, candidates: readonly string[]): string {
  const ranked = candidates.map((candidate) => ({ candidate, distance: editDistance(name, candidate) }));
  return ranked.reduce((best, next) => (next.distance < best.distance ? next : best)).candidate;
}

/** Returns how many characters must be inserted, deleted or replaced to turn one text into the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [line, character] of [...from].entries()) {
    const next = [line + 1];
    for (let at = 0; at < to.length; at++) {
      const replaced = (row[at] ?? 0) + (character === to[at] ? 0 : 1);
      next.push(Math.min(replaced, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
