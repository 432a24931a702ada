import type { ComponentChildren } from 'preact';
import type { LoadedMetadata } from '../../organizations/connections/identity-providers.ts';
import { idpKindOf } from '../../saml/explain/idp-screens.ts';
import { Facts } from '../parts/facts.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { momentText } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { IDP_PRODUCTS, isIdpProduct } from '../setup-steps/idp-products.ts';

const TEXTS = {
  product: 'Product',
  entityId: 'Entity ID',
  singleSignOnUrl: 'Single sign-on URL',
  singleLogout: 'Single logout',
  offered: 'offered',
  notOffered: 'not offered',
  certificates: 'Certificates',
  metadataFrom: 'Metadata from',
  metadataValidUntil: 'Metadata valid until',
  fingerprint: (sha256: ComponentChildren) => <>SHA-256 {sha256}</>,
  validUntil: (subject: ComponentChildren, time: string) => (
    <>
      {subject}, until {time}
    </>
  ),
} as const;

export interface IdpFactsProps {
  readonly metadata: LoadedMetadata['metadata'];
  readonly metadataUrl: string | undefined;
  /** The product that the administrator chose. */
  readonly product?: string | undefined;
}

/** Shows what the gateway read from an identity provider’s metadata. */
export function IdpFacts({ metadata, metadataUrl, product: chosen }: IdpFactsProps) {
  const { singleSignOn, singleLogout } = metadata;
  const recognized = idpKindOf(metadata.entityId, singleSignOn.redirect ?? singleSignOn.post);
  const product = recognized === 'other' && isIdpProduct(chosen) ? chosen : recognized;
  return (
    <Facts
      facts={[
        [TEXTS.product, product === 'other' ? undefined : IDP_PRODUCTS[product].label],
        [TEXTS.entityId, <Code text={metadata.entityId} />],
        [TEXTS.singleSignOnUrl, <Code text={singleSignOn.redirect ?? singleSignOn.post ?? ''} />],
        [TEXTS.singleLogout, singleLogout.redirect || singleLogout.post ? TEXTS.offered : TEXTS.notOffered],
        [TEXTS.certificates, <Certificates metadata={metadata} />],
        [TEXTS.metadataFrom, metadataUrl === undefined ? undefined : <Code text={metadataUrl} />],
        [TEXTS.metadataValidUntil, metadata.validUntil === undefined ? undefined : momentText(Date.parse(metadata.validUntil))],
      ]}
    />
  );
}

const Code = ({ text }: { readonly text: string }) => (
  <code>
    <ForeignText text={text} />
  </code>
);

function Certificates({ metadata }: Pick<IdpFactsProps, 'metadata'>) {
  return (
    <>
      {metadata.signingCertificates.map(({ subject, notAfter, fingerprintSha256 }) => (
        <div>
          {TEXTS.validUntil(<ForeignText text={subject} />, momentText(Date.parse(notAfter)))}
          <span class="sub">{TEXTS.fingerprint(<code>{fingerprintSha256}</code>)}</span>
        </div>
      ))}
    </>
  );
}

/** Lists findings about metadata, warnings first. */
export function Lint({ warnings }: Pick<LoadedMetadata, 'warnings'>) {
  const urgent = warnings.filter(({ level }) => level === 'warning');
  const rest = warnings.filter(({ level }) => level !== 'warning');
  return (
    <>
      {urgent.length === 0 ? null : <LintList kind="warning" warnings={urgent} />}
      {rest.length === 0 ? null : <LintList kind="note" warnings={rest} />}
    </>
  );
}

const LintList = ({ kind, warnings }: Pick<LoadedMetadata, 'warnings'> & { readonly kind: 'warning' | 'note' }) => (
  <Callout kind={kind}>
    {warnings.map(({ text }) => (
      <p>{text}</p>
    ))}
  </Callout>
);
