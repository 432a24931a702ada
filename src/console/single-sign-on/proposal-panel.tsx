import type { Connection } from '../../organizations/organizations.ts';
import type { MetadataProposal } from '../../organizations/setup/metadata-proposals.ts';
import type { Frame } from '../navigation.ts';
import { PostForm } from '../parts/form.tsx';
import { Moment } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { IdpFacts } from './single-sign-on-facts.tsx';

export interface ProposalPanelProps {
  readonly frame: Frame;
  readonly connection: Connection;
  readonly proposal: MetadataProposal;
}

/** Shows metadata that a setup link proposes. Owners and the operator accept or discard it; a setup only sees that it waits. */
export function ProposalPanel({ frame, connection, proposal }: ProposalPanelProps) {
  const { metadata, metadataUrl } = proposal;
  const known = new Set(connection.metadata.signingCertificates.map(({ fingerprintSha256 }) => fingerprintSha256));
  const isDecider = frame.viewer.kind !== 'setup';
  const added = metadata.signingCertificates.filter(({ fingerprintSha256 }) => !known.has(fingerprintSha256));
  return (
    <section class="panel" aria-labelledby="proposal">
      <h2 id="proposal">Proposed metadata</h2>
      <p>
        A setup link proposed this metadata on <Moment ms={proposal.proposedAtMs} />. Nothing changes until an owner accepts it. The
        proposal expires on <Moment ms={proposal.expiresAtMs} />.
      </p>
      <IdpFacts metadata={metadata} metadataUrl={metadataUrl} />
      <Callout kind="warning">
        {metadata.entityId === connection.metadata.entityId ? null : (
          <p>This is another identity provider. Its users get new accounts, and the users of the present one can no longer sign in.</p>
        )}
        {added.length === 0 ? null : (
          <p>
            {added.length === 1 ? 'This certificate is new' : 'These certificates are new'}:{' '}
            {added.map(({ fingerprintSha256 }, index) => (
              <>
                {index === 0 ? null : ', '}
                <code>{fingerprintSha256}</code>
              </>
            ))}
            . The holder of {added.length === 1 ? 'its key' : 'one of their keys'} can sign in as any member
            {isDecider ? `, so compare the fingerprint${added.length === 1 ? '' : 's'} with your identity provider` : null}.
          </p>
        )}
        {metadataUrl === undefined || metadataUrl === connection.metadataUrl ? null : (
          <p>From now on, certificates would also be read from the metadata URL above, once a day.</p>
        )}
        {isDecider ? <p>Accept it only if you know that it comes from your identity provider.</p> : null}
      </Callout>
      {isDecider ? <Choice path={`${frame.base}/single-sign-on/${connection.id}/proposal`} frame={frame} id={proposal.id} /> : null}
    </section>
  );
}

const Choice = ({ path, frame, id }: { readonly path: string; readonly frame: Frame; readonly id: string }) => (
  <div class="buttons">
    <PostForm action={`${path}/accept`} csrfToken={frame.csrfToken} inline>
      <input type="hidden" name="proposal" value={id} />
      <button type="submit">Accept metadata</button>
    </PostForm>
    <PostForm action={`${path}/discard`} csrfToken={frame.csrfToken} inline>
      <input type="hidden" name="proposal" value={id} />
      <button type="submit" class="secondary">
        Discard
      </button>
    </PostForm>
  </div>
);
