import type { ComponentChildren } from 'preact';
import type { TokenUse } from '../../auth/tokens/token-use.ts';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { userAgentText } from '../parts/user-agent.tsx';

const TEXTS = {
  never: 'never',
  from: (address: ComponentChildren, client: string) => (
    <>
      from {address}, {client}
    </>
  ),
  unknownAddress: 'an unknown address',
} as const;

/** Shows when a token was last used, from which address and by which client. */
export function LastUse({ use, nowMs }: { readonly use: TokenUse | undefined; readonly nowMs: number }) {
  if (!use) return <>{TEXTS.never}</>;
  return (
    <>
      <Near ms={use.atMs} nowMs={nowMs} />
      <div class="sub">{TEXTS.from(<ForeignText text={use.address ?? TEXTS.unknownAddress} />, userAgentText(use.userAgent))}</div>
    </>
  );
}
