import type { ComponentChildren } from 'preact';
import type { ScimToken } from '../../auth/tokens/scim-tokens.ts';
import type { Frame } from '../navigation.ts';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';

const TEXTS = {
  expires: (name: ComponentChildren, time: ComponentChildren, link: ComponentChildren) => (
    <>
      The SCIM token {name} expires {time}. Without a valid token, users who leave keep their access. {link}
    </>
  ),
  expired: (name: ComponentChildren, time: ComponentChildren, link: ComponentChildren) => (
    <>
      The SCIM token {name} expired {time}. Without a valid token, users who leave keep their access. {link}
    </>
  ),
  createNewToken: 'Create a new token',
} as const;

export interface EndingScimTokensProps {
  readonly frame: Pick<Frame, 'base' | 'nowMs'>;
  /** Tokens that expire soon or have expired, without those that another token replaces. */
  readonly tokens: readonly ScimToken[];
}

/** Warns of SCIM tokens that expire within 14 days, so that deactivations at the identity provider keep arriving. */
export function EndingScimTokens({ frame: { base, nowMs }, tokens }: EndingScimTokensProps) {
  if (tokens.length === 0) return null;
  return (
    <Callout kind="warning">
      {tokens.map(({ name, connectionId, expiresAtMs = nowMs }) => (
        <p>
          {TEXTS[expiresAtMs > nowMs ? 'expires' : 'expired'](
            <ForeignText text={name} />,
            <Near ms={expiresAtMs} nowMs={nowMs} />,
            <a href={`${base}/provisioning/${connectionId}`}>{TEXTS.createNewToken}</a>,
          )}
        </p>
      ))}
    </Callout>
  );
}
