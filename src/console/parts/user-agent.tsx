import { visibleText } from './foreign-text.tsx';

const TEXTS = {
  unknown: 'unknown program',
  browserOnSystem: (browser: string, system: string) => `${browser} on ${system}`,
} as const;

/** The first match wins, because Edge and Opera also claim to be Chrome, and Chrome claims to be Safari. */
const BROWSERS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['Edge', /\bEdg(?:e|A|iOS)?\//],
  ['Opera', /\bOPR\//],
  ['Samsung Internet', /\bSamsungBrowser\//],
  ['Firefox', /\b(?:Firefox|FxiOS)\//],
  ['Chrome', /\b(?:Headless)?(?:Chrome|CriOS)\//],
  ['Safari', /\bVersion\/[\d.]+ .*Safari\//],
];

const SYSTEMS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['iOS', /\b(?:iPhone|iPad|iPod)\b/],
  ['Android', /\bAndroid\b/],
  ['Windows', /\bWindows\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['macOS', /\bMac OS X\b|\bMacintosh\b/],
  ['Linux', /\bLinux\b|\bX11\b/],
];

const firstOf = (list: typeof BROWSERS, text: string): string | undefined => list.find(([, pattern]) => pattern.test(text))?.[0];

/** Describes a user agent as “Firefox on Linux”, or by its own name (“curl/8.5.0”) if it is not a browser. Clients can claim anything here. */
export function userAgentText(userAgent: string | undefined): string {
  if (userAgent === undefined || userAgent.trim() === '') return TEXTS.unknown;
  const browser = firstOf(BROWSERS, userAgent);
  const system = firstOf(SYSTEMS, userAgent);
  if (browser === undefined) return visibleText(userAgent.slice(0, 60));
  return system === undefined ? browser : TEXTS.browserOnSystem(browser, system);
}
