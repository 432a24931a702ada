/** The pages of the setup, one per step. Setup links, owners and the operator use the same ones, each with their own rights. */
import { type Request, type Response, Router } from 'express';
import { renderPage } from '../../../console/layout.tsx';
import { type IdpProductId, isIdpProduct } from '../../../console/setup-steps/idp-products.ts';
import { MetadataStep, NOTHING_TYPED } from '../../../console/setup-steps/metadata-step.tsx';
import { ApplicationStep, ProviderStep } from '../../../console/setup-steps/provider-steps.tsx';
import { setupProgress } from '../../../console/setup-steps/steps.ts';
import { isLockedForSetup } from '../../../organizations/setup/setup-rights.ts';
import type { Runtime } from '../../../runtime.ts';
import { idpKindOf } from '../../../saml/explain/idp-screens.ts';
import { organizationOf } from '../../api/callers.ts';
import { sendPage } from '../../pages.ts';
import { findVisitedConnection } from '../connections/visited-connection.ts';
import { frameOf, sendConsolePage, singleSignOnPathOf, visitOf } from '../visit.ts';
import { goLivePages } from './go-live.tsx';
import { compareIdentifiers, previewEntered, type RejectedMetadata, saveMetadata } from './metadata.tsx';
import { ownValues } from './own-values.ts';
import { rolesPages } from './roles.tsx';
import { testPages } from './tests.tsx';

/** Routes below the page of a connection. */
export function setupStepPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/steps', (_request, response) => {
    const { next } = setupProgress(organizationOf(response), findVisitedConnection(response));
    response.redirect(303, `${singleSignOnPathOf(response)}/steps/${next}`);
  });
  router.get('/steps/provider', (request, response) => showProvider(runtime, request, response));
  router.get('/steps/application', (request, response) => showApplication(runtime, request, response));
  router.get('/steps/metadata', (request, response) => showMetadata(runtime, request, response));
  router.post('/preview', async (request, response) => {
    const rejected = await previewEntered(runtime, request, response);
    if (rejected) await showMetadata(runtime, request, response, rejected);
  });
  router.post('/compare', (request, response) => compareIdentifiers(runtime, request, response));
  router.post('/save', (request, response) => saveMetadata(runtime, request, response));
  router.use(testPages(runtime));
  router.use(rolesPages(runtime));
  router.use(goLivePages(runtime));
  return router;
}

const progressOf = (response: Response) => setupProgress(organizationOf(response), findVisitedConnection(response));

/** Returns the product of the URL, or else the one that was chosen or recognized before. */
function productOf(request: Request, response: Response): IdpProductId | undefined {
  const { idp } = request.query;
  if (isIdpProduct(idp)) return idp;
  const connection = findVisitedConnection(response);
  if (!connection) return undefined;
  if (isIdpProduct(connection.product)) return connection.product;
  const { entityId, singleSignOn } = connection.metadata;
  return idpKindOf(entityId, singleSignOn.redirect ?? singleSignOn.post);
}

function showProvider(runtime: Runtime, request: Request, response: Response): void {
  const frame = frameOf(runtime, request, response);
  sendConsolePage(response, <ProviderStep frame={frame} progress={progressOf(response)} chosen={productOf(request, response)} />);
}

function showApplication(runtime: Runtime, request: Request, response: Response): void {
  const product = productOf(request, response);
  if (product === undefined) {
    response.redirect(303, `${singleSignOnPathOf(response)}/steps/provider`);
    return;
  }
  const frame = frameOf(runtime, request, response);
  const values = ownValues(runtime, organizationOf(response));
  sendConsolePage(response, <ApplicationStep frame={frame} progress={progressOf(response)} product={product} values={values} />);
}

async function showMetadata(runtime: Runtime, request: Request, response: Response, rejected?: RejectedMetadata): Promise<void> {
  const organization = organizationOf(response);
  const connectionId = findVisitedConnection(response)?.id;
  const isLocked = visitOf(response).viewer.kind === 'setup' && (await isLockedForSetup(runtime.store, { organization, connectionId }));
  const chosen = isIdpProduct(rejected?.product) ? rejected.product : productOf(request, response);
  const page = (
    <MetadataStep
      frame={frameOf(runtime, request, response)}
      progress={progressOf(response)}
      product={chosen ?? 'other'}
      typed={rejected?.typed ?? NOTHING_TYPED}
      problem={rejected?.problem}
      isLocked={isLocked}
    />
  );
  sendPage(response, rejected?.status ?? 200, renderPage(page));
}
