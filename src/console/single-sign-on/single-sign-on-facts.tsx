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
  removedCertificates: 'Certificates that are removed',
  isNew: 'new',
  untilNow: (url: ComponentChildren) => <>until now {url}</>,
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
  /** The metadata that is replaced, in a preview. */
  readonly present?: LoadedMetadata['metadata'] | undefined;
  /** The product that the administrator chose. */
  readonly product?: string | undefined;
}

/** Shows what the gateway read from an identity provider’s metadata. */
export function IdpFacts({ metadata, metadataUrl, present, product: chosen }: IdpFactsProps) {
  const { singleSignOn, singleLogout } = metadata;
  const recognized = idpKindOf(metadata.entityId, singleSignOn.redirect ?? singleSignOn.post);
  const product = recognized === 'other' && isIdpProduct(chosen) ? chosen : recognized;
  return (
    <Facts
      facts={[
        [TEXTS.product, product === 'other' ? undefined : IDP_PRODUCTS[product].label],
        [TEXTS.entityId, <Code text={metadata.entityId} />],
        [
          TEXTS.singleSignOnUrl,
          <>
            <Code text={urlOf(metadata)} />
            {present && urlOf(present) !== urlOf(metadata) ? (
              <span class="sub">{TEXTS.untilNow(<Code text={urlOf(present)} />)}</span>
            ) : null}
          </>,
        ],
        [TEXTS.singleLogout, singleLogout.redirect || singleLogout.post ? TEXTS.offered : TEXTS.notOffered],
        [TEXTS.certificates, <Certificates metadata={metadata} present={present} />],
        [TEXTS.removedCertificates, present && removedCertificates(metadata, present)],
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

const urlOf = ({ singleSignOn }: IdpFactsProps['metadata']): string => singleSignOn.redirect ?? singleSignOn.post ?? '';

type Certificate = IdpFactsProps['metadata']['signingCertificates'][number];

const isIn = ({ signingCertificates }: IdpFactsProps['metadata'], { fingerprintSha256 }: Certificate): boolean =>
  signingCertificates.some((other) => other.fingerprintSha256 === fingerprintSha256);

const Certificates = ({ metadata, present }: Pick<IdpFactsProps, 'metadata' | 'present'>) => (
  <>
    {metadata.signingCertificates.map((certificate) => (
      <CertificateText certificate={certificate} isNew={present !== undefined && !isIn(present, certificate)} />
    ))}
  </>
);

/** Returns the certificates that the current metadata has and the new does not. Undefined if there are none. */
function removedCertificates(metadata: IdpFactsProps['metadata'], present: IdpFactsProps['metadata']): ComponentChildren | undefined {
  const removed = present.signingCertificates.filter((certificate) => !isIn(metadata, certificate));
  if (removed.length === 0) return undefined;
  return removed.map((certificate) => <CertificateText certificate={certificate} isNew={false} />);
}

const CertificateText = ({ certificate, isNew }: { readonly certificate: Certificate; readonly isNew: boolean }) => (
  <div>
    {TEXTS.validUntil(<ForeignText text={certificate.subject} />, momentText(Date.parse(certificate.notAfter)))}{' '}
    {isNew ? <span class="badge">{TEXTS.isNew}</span> : null}
    <span class="sub">{TEXTS.fingerprint(<code>{certificate.fingerprintSha256}</code>)}</span>
  </div>
);

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
