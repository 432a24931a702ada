import type { ComponentChildren } from 'preact';
import type { Connection } from '../../organizations/organizations.ts';
import { changesOf, type MetadataProposal } from '../../organizations/setup/metadata-proposals.ts';
import type { IdpMetadata } from '../../saml/metadata/idp-metadata.ts';
import type { Frame } from '../navigation.ts';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { IdpFacts } from './single-sign-on-facts.tsx';

const TEXTS = {
  proposedMetadata: 'Proposed metadata',
  proposedBySetupLink: (proposedAt: ComponentChildren, expiresAt: ComponentChildren) => (
    <>
      A setup link proposed this metadata on {proposedAt}. Nothing changes until an owner accepts it. The proposal expires on {expiresAt}.
    </>
  ),
  otherIdentityProvider:
    'This is another identity provider. Its users get new accounts, and the users of the current one can no longer sign in.',
  newCertificate: (fingerprint: ComponentChildren) => (
    <>This certificate is new: {fingerprint}. The holder of its key can sign in as any member.</>
  ),
  newCertificates: (fingerprints: ComponentChildren) => (
    <>These certificates are new: {fingerprints}. The holder of one of their keys can sign in as any member.</>
  ),
  compareFingerprints: 'Compare each fingerprint with your identity provider.',
  otherSignInUrls: (proposed: ComponentChildren, present: ComponentChildren) => (
    <>
      Users would be sent to other sign-in URLs: {proposed}, now {present}.
    </>
  ),
  otherLogoutUrls: (proposed: ComponentChildren, present: ComponentChildren) => (
    <>
      Single logout would use other URLs: {proposed}, now {present}.
    </>
  ),
  newMetadataUrl: (url: ComponentChildren) => (
    <>From now on, certificates would be read from {url}, once a day and whenever a response has an unknown key.</>
  ),
  presentMetadataUrl: (url: ComponentChildren) => <>Now they are read from {url}.</>,
  urlCanAddKeys: 'The server of this URL can add keys whose holders can sign in as any member.',
  noMetadataUrl: (url: ComponentChildren) => <>Certificates would no longer be read from {url}.</>,
  whenToAccept: 'Accept it only if you know that it comes from your identity provider.',
  noUrl: 'none',
  confirmMetadataUrl: 'This metadata URL belongs to our identity provider',
  acceptMetadata: 'Accept metadata',
  discard: 'Discard',
} as const;

export interface ProposalPanelProps {
  readonly frame: Frame;
  readonly connection: Connection;
  readonly proposal: MetadataProposal;
}

/** Shows metadata that a setup link proposes. Owners and the operator accept or discard it; a setup only sees that it waits. */
export function ProposalPanel({ frame, connection, proposal }: ProposalPanelProps) {
  const { metadata, metadataUrl } = proposal;
  const changes = changesOf(proposal, connection);
  const newUrl = changes.includes('metadata_url') ? metadataUrl : undefined;
  const known = new Set(connection.metadata.signingCertificates.map(({ fingerprintSha256 }) => fingerprintSha256));
  const isDecider = frame.viewer.kind !== 'setup';
  const added = metadata.signingCertificates.filter(({ fingerprintSha256 }) => !known.has(fingerprintSha256));
  return (
    <section class="panel" aria-labelledby="proposal">
      <h2 id="proposal">{TEXTS.proposedMetadata}</h2>
      <p>{TEXTS.proposedBySetupLink(<Moment ms={proposal.proposedAtMs} />, <Moment ms={proposal.expiresAtMs} />)}</p>
      <IdpFacts metadata={metadata} metadataUrl={metadataUrl} />
      <Callout kind="warning">
        {changes.includes('entity_id') ? <p>{TEXTS.otherIdentityProvider}</p> : null}
        {added.length === 0 ? null : (
          <p>
            {TEXTS[added.length === 1 ? 'newCertificate' : 'newCertificates'](
              added.map(({ fingerprintSha256 }, index) => (
                <>
                  {index === 0 ? null : ', '}
                  <code>{fingerprintSha256}</code>
                </>
              )),
            )}{' '}
            {isDecider ? TEXTS.compareFingerprints : null}
          </p>
        )}
        {changes.includes('single_sign_on') ? (
          <p>
            {TEXTS.otherSignInUrls(<Urls values={singleSignOnUrls(metadata)} />, <Urls values={singleSignOnUrls(connection.metadata)} />)}
          </p>
        ) : null}
        {changes.includes('single_logout') ? (
          <p>{TEXTS.otherLogoutUrls(<Urls values={logoutUrls(metadata)} />, <Urls values={logoutUrls(connection.metadata)} />)}</p>
        ) : null}
        {newUrl === undefined ? null : (
          <p>
            {TEXTS.newMetadataUrl(<Urls values={[newUrl]} />)}{' '}
            {connection.metadataUrl === undefined ? null : TEXTS.presentMetadataUrl(<Urls values={[connection.metadataUrl]} />)}{' '}
            {TEXTS.urlCanAddKeys}
          </p>
        )}
        {changes.includes('metadata_url') && connection.metadataUrl !== undefined && newUrl === undefined ? (
          <p>{TEXTS.noMetadataUrl(<Urls values={[connection.metadataUrl]} />)}</p>
        ) : null}
        {isDecider ? <p>{TEXTS.whenToAccept}</p> : null}
      </Callout>
      {isDecider ? (
        <Choice path={`${frame.base}/single-sign-on/${connection.id}/proposal`} frame={frame} id={proposal.id} newUrl={newUrl} />
      ) : null}
    </section>
  );
}

const singleSignOnUrls = ({ singleSignOn: { redirect, post } }: IdpMetadata) => [redirect, post];

const logoutUrls = ({ singleLogout: { redirect, post } }: IdpMetadata) => [
  redirect?.location,
  redirect?.responseLocation,
  post?.location,
  post?.responseLocation,
];

/** Shows each URL once. */
function Urls({ values }: { readonly values: readonly (string | undefined)[] }) {
  const urls = [...new Set(values)].filter((url) => url !== undefined);
  if (urls.length === 0) return <>{TEXTS.noUrl}</>;
  return (
    <>
      {urls.map((url, index) => (
        <>
          {index === 0 ? null : ', '}
          <code>
            <ForeignText text={url} />
          </code>
        </>
      ))}
    </>
  );
}

interface ChoiceProps {
  readonly path: string;
  readonly frame: Frame;
  /** The proposal that the page shows, which is the only one that its buttons accept or discard. */
  readonly id: string;
  /** A metadata URL that the connection does not have. */
  readonly newUrl: string | undefined;
}

const Choice = ({ path, frame, id, newUrl }: ChoiceProps) => (
  <div class="buttons">
    <PostForm action={`${path}/accept`} csrfToken={frame.csrfToken} inline={newUrl === undefined}>
      <input type="hidden" name="proposal" value={id} />
      {newUrl === undefined ? null : (
        <label>
          <input type="checkbox" name="metadata_url" value={newUrl} required /> {TEXTS.confirmMetadataUrl}
        </label>
      )}
      <button type="submit">{TEXTS.acceptMetadata}</button>
    </PostForm>
    <PostForm action={`${path}/discard`} csrfToken={frame.csrfToken} inline>
      <input type="hidden" name="proposal" value={id} />
      <button type="submit" class="secondary">
        {TEXTS.discard}
      </button>
    </PostForm>
  </div>
);
