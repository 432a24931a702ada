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
  setupLinkProposed: (time: ComponentChildren, time2: ComponentChildren) => (
    <>
      A setup link proposed this metadata on {time}. Nothing changes until an owner accepts it. The proposal expires on {time2}.
    </>
  ),
  anotherIdentityProvider:
    'This is another identity provider. Its users get new accounts, and the users of the present one can no longer sign in.',
  newCertificates: (count: number, fingerprints: ComponentChildren, isDecider: boolean) => (
    <>
      {count === 1 ? 'This certificate is new' : 'These certificates are new'}: {fingerprints}. The holder of{' '}
      {count === 1 ? 'its key' : 'one of their keys'} can sign in as any member
      {isDecider ? `, so compare the fingerprint${count === 1 ? '' : 's'} with your identity provider` : ''}.
    </>
  ),
  usersSentOther: 'Users would be sent to other sign-in URLs:',
  now: ', now',
  singleLogoutUse: 'Single logout would use other URLs:',
  nowCertificatesRead: 'From now on, certificates would be read from',
  onceDayWhenever: ', once a day and whenever a response has an unknown key.',
  nowRead: 'Now they are read from',
  serverUrlAdd: 'The server of this URL can add keys whose holders can sign in as any member.',
  certificatesLongerRead: 'Certificates would no longer be read from',
  acceptKnowComes: 'Accept it only if you know that it comes from your identity provider.',
  none: 'none',
  metadataUrlBelongs: 'This metadata URL belongs to our identity provider',
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
      <p>{TEXTS.setupLinkProposed(<Moment ms={proposal.proposedAtMs} />, <Moment ms={proposal.expiresAtMs} />)}</p>
      <IdpFacts metadata={metadata} metadataUrl={metadataUrl} />
      <Callout kind="warning">
        {changes.includes('entity_id') ? <p>{TEXTS.anotherIdentityProvider}</p> : null}
        {added.length === 0 ? null : (
          <p>
            {TEXTS.newCertificates(
              added.length,
              added.map(({ fingerprintSha256 }, index) => (
                <>
                  {index === 0 ? null : ', '}
                  <code>{fingerprintSha256}</code>
                </>
              )),
              isDecider,
            )}
          </p>
        )}
        {changes.includes('single_sign_on') ? (
          <p>
            {TEXTS.usersSentOther} <Urls values={singleSignOnUrls(metadata)} />
            {TEXTS.now} <Urls values={singleSignOnUrls(connection.metadata)} />.
          </p>
        ) : null}
        {changes.includes('single_logout') ? (
          <p>
            {TEXTS.singleLogoutUse} <Urls values={logoutUrls(metadata)} />
            {TEXTS.now} <Urls values={logoutUrls(connection.metadata)} />.
          </p>
        ) : null}
        {newUrl === undefined ? null : (
          <p>
            {TEXTS.nowCertificatesRead} <Urls values={[newUrl]} />
            {TEXTS.onceDayWhenever}
            {connection.metadataUrl === undefined ? null : (
              <>
                {' '}
                {TEXTS.nowRead} <Urls values={[connection.metadataUrl]} />.
              </>
            )}{' '}
            {TEXTS.serverUrlAdd}
          </p>
        )}
        {changes.includes('metadata_url') && connection.metadataUrl !== undefined && newUrl === undefined ? (
          <p>
            {TEXTS.certificatesLongerRead} <Urls values={[connection.metadataUrl]} />.
          </p>
        ) : null}
        {isDecider ? <p>{TEXTS.acceptKnowComes}</p> : null}
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
  if (urls.length === 0) return <>{TEXTS.none}</>;
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
          <input type="checkbox" name="metadata_url" value={newUrl} required /> {TEXTS.metadataUrlBelongs}
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
