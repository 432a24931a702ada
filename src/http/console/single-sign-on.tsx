/** The identity provider of an organization: the connection with its state, and the start of a test sign-in. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { findEndingTokens } from '../../auth/tokens/scim-tokens.ts';
import { renderPage } from '../../console/layout.tsx';
import type { Frame } from '../../console/navigation.ts';
import { EndingScimTokens } from '../../console/provisioning/ending-scim-tokens.tsx';
import { ConnectionsPanel } from '../../console/single-sign-on/connections-panel.tsx';
import { PendingMembersPanel } from '../../console/single-sign-on/pending-members-panel.tsx';
import { type ListedSetupLink, SetupLinksPanel } from '../../console/single-sign-on/setup-links-panel.tsx';
import { SingleSignOnPage } from '../../console/single-sign-on/single-sign-on-page.tsx';
import { VersionsPanel } from '../../console/single-sign-on/single-sign-on-versions.tsx';
import type { OrganizationConnection } from '../../organizations/connections/connections.ts';
import { findMetadataWarnings } from '../../organizations/connections/identity-providers.ts';
import { listMetadataVersions } from '../../organizations/connections/metadata-versions.ts';
import { listPendingMembers } from '../../organizations/idp-change/pending-members.ts';
import type { Organization } from '../../organizations/organizations.ts';
import { findProposal } from '../../organizations/setup/metadata-proposals.ts';
import { findLinkedConnection, listSetupLinks, setupLinkState } from '../../organizations/setup/setup-links.ts';
import { isLockedForSetup } from '../../organizations/setup/setup-rights.ts';
import type { Runtime } from '../../runtime.ts';
import { organizationOf } from '../api/callers.ts';
import { checkShape, MEMBER_QUERY } from '../api/request-shapes.ts';
import { sendPage } from '../pages.ts';
import { findVisitedConnection } from './connections/visited-connection.ts';
import { identifierPages } from './identifier.tsx';
import { ownValues } from './setup-steps/own-values.ts';
import { setupStepPages } from './setup-steps/steps.tsx';
import { beginTest } from './sign-in-log.tsx';
import { singleSignOnSettingsPages } from './single-sign-on-settings.tsx';
import { frameOf, isOperator, visitOf } from './visit.ts';

export function singleSignOnPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => showPage(runtime, request, response));
  router.use(setupStepPages(runtime));
  router.use('/settings', singleSignOnSettingsPages(runtime));
  router.use('/identifier', identifierPages(runtime));
  router.post('/test', beginTest(runtime));
  return router;
}

async function showPage(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const organization = organizationOf(response);
  const connection = findVisitedConnection(response);
  const { viewer } = visitOf(response);
  const isSetup = viewer.kind === 'setup';
  const links = isSetup ? undefined : await listedLinks(runtime, organization);
  const versions = isSetup || !connection ? [] : await listMetadataVersions(runtime.store, organization.id, connection);
  const isLocked = isSetup && (await isLockedForSetup(runtime.store, { organization, connectionId: connection?.id }));
  const proposal = connection && (await findProposal(runtime, { organization, connection }));
  const frame = frameOf(runtime, request, response);
  const { cursor } = checkShape(PENDING_QUERY, request.query);
  const pending = isSetup || !connection ? null : await pendingPanel(runtime, frame, { organization, connection, cursor });
  const page = (
    <SingleSignOnPage
      frame={frame}
      values={ownValues(runtime, organization)}
      connection={connection}
      warnings={connection ? await findMetadataWarnings(runtime, { organization, connection }, { isOperator: isOperator(response) }) : []}
      isLocked={isLocked}
      // A setup sees its own proposal only.
      proposal={viewer.kind === 'setup' && proposal?.linkId !== viewer.linkId ? undefined : proposal}
    >
      {isSetup ? null : <EndingScimTokens frame={frame} tokens={await findEndingTokens(runtime, organization)} />}
      {pending}
      {isSetup || !connection ? null : <ConnectionsPanel frame={frame} connections={organization.connections} shown={connection} />}
      {versions.length < 2 ? null : <VersionsPanel frame={frame} versions={versions} />}
      {links === undefined ? null : <SetupLinksPanel frame={frame} links={links} />}
    </SingleSignOnPage>
  );
  // The button of the test sign-in redirects to the identity provider.
  sendPage(response, 200, renderPage(page), { formsMayLeave: true });
}

const LISTED_MEMBERS = 50;
const PENDING_QUERY = z.object({ cursor: MEMBER_QUERY.shape.cursor });

interface ListedPending extends OrganizationConnection {
  readonly cursor: string | undefined;
}

async function pendingPanel({ store }: Runtime, frame: Frame, { organization, connection, cursor }: ListedPending) {
  const { change } = connection;
  if (!change) return null;
  const { items, nextCursor } = await listPendingMembers(store, { organization, connection }, { limit: LISTED_MEMBERS, cursor });
  // A page can be empty although others follow, because one call searches a limited number of members.
  if (items.length === 0 && nextCursor === null && cursor === undefined) return null;
  const members = items.map(({ value }) => value);
  return <PendingMembersPanel {...{ frame, connection, change, members, cursor, nextCursor }} />;
}

const LISTED_LINKS = 10;

async function listedLinks({ store, now }: Runtime, organization: Organization): Promise<ListedSetupLink[]> {
  const { items } = await listSetupLinks(store, organization.id, { limit: LISTED_LINKS });
  return items.map((item) => ({
    id: item.id,
    link: item.value,
    state: setupLinkState(item.value, now()),
    connectionName: findLinkedConnection(organization, item)?.name,
  }));
}
