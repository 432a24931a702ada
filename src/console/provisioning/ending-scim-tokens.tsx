import type { ScimToken } from '../../auth/tokens/scim-tokens.ts';
import type { Frame } from '../navigation.ts';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';

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
          The SCIM token <ForeignText text={name} /> {expiresAtMs > nowMs ? 'expires' : 'expired'} <Near ms={expiresAtMs} nowMs={nowMs} />.
          Without a valid token, users who leave keep their access. <a href={`${base}/provisioning/${connectionId}`}>Create a new token</a>
        </p>
      ))}
    </Callout>
  );
}
