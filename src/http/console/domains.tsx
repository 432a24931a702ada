/** The page of an organization's domains, with the forms that add, verify and remove them. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { DomainsPage, RemoveDomainPage, TransferDomainPage } from '../../console/domains-page.tsx';
import { GatewayError } from '../../errors.ts';
import { claimsOf, type DomainClaim, findClaim } from '../../organizations/domains/domain-claims.ts';
import { normalizeDomain } from '../../organizations/domains/domain-name.ts';
import { addDomain, removeDomain, verifyDomain } from '../../organizations/domains/domains.ts';
import type { Runtime } from '../../runtime.ts';
import { callerOf, organizationOf } from '../api/callers.ts';
import { NEW_DOMAIN } from '../api/request-shapes.ts';
import { requireKeyWithinLimit } from '../limits/rate-limits.ts';
import { runOnce } from '../run-once.ts';
import {
  confirmationOf,
  frameOf,
  parseForm,
  redirectOnConflict,
  redirectWithNotice,
  runAndRedirect,
  sendConsolePage,
  visitOf,
} from './visit.ts';

const TEXTS = {
  removed: (domain: string) => `Removed ${domain}.`,
  unknownDomain: 'The organization does not have this domain.',
  added: (domain: string) => `Added ${domain}. Publish its TXT record in DNS, then verify the domain.`,
  verifiedByRecord: (domain: string) => `${domain} is verified. Leave the record in DNS, because it is looked up every day.`,
  verified: (domain: string) => `${domain} is verified.`,
} as const;

const NEW_DOMAIN_FORM = z.object(NEW_DOMAIN.shape);

export function domainPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => showDomains(runtime, request, response));
  router.post('/', (request, response) => add(runtime, request, response));
  router.post('/:domain/verify', (request, response) => verify(runtime, request, response, {}));
  router.post('/:domain/confirm', (request, response) => verify(runtime, request, response, { isConfirmed: true }));
  router.get('/:domain/transfer', (request, response) => {
    sendConsolePage(response, <TransferDomainPage frame={frameOf(runtime, request, response)} claim={claimOf(request, response)} />);
  });
  router.post('/:domain/transfer', (request, response) => transfer(runtime, request, response));
  router.get('/:domain/remove', (request, response) => {
    sendConsolePage(response, <RemoveDomainPage frame={frameOf(runtime, request, response)} claim={claimOf(request, response)} />);
  });
  router.post('/:domain/remove', async (request, response) => {
    const domain = nameOf(request);
    await removeDomain(runtime, callerOf(request, response), { organizationId: organizationOf(response).id, domain });
    redirectWithNotice(runtime, response, hrefOf(response), TEXTS.removed(domain));
  });
  return router;
}

const hrefOf = (response: Response): string => `${visitOf(response).base}/domains`;
const nameOf = ({ params }: Request): string => normalizeDomain(String(params.domain)) ?? '';

/** @throws not_found */
function claimOf(request: Request, response: Response): DomainClaim {
  const claim = findClaim(organizationOf(response), nameOf(request));
  if (!claim) throw new GatewayError('not_found', TEXTS.unknownDomain);
  return claim;
}

function showDomains(runtime: Runtime, request: Request, response: Response): void {
  const organization = organizationOf(response);
  const { domains, emailPolicy = 'any' } = organization;
  const frame = frameOf(runtime, request, response);
  const page = <DomainsPage frame={frame} claims={claimsOf(organization)} setDomains={domains} emailPolicy={emailPolicy} />;
  sendConsolePage(response, page);
}

function add(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { domain } = parseForm(NEW_DOMAIN_FORM, request);
  const href = hrefOf(response);
  return redirectOnConflict(runtime, response, href, () =>
    runOnce(runtime, request, response, async () => {
      await addDomain(runtime, callerOf(request, response), { organizationId: organizationOf(response).id, domain });
      return { href, notice: TEXTS.added(domain) };
    }),
  );
}

interface OperatorDecision {
  readonly isConfirmed?: true;
  readonly isTransfer?: true;
}

function verify(runtime: Runtime, request: Request, response: Response, decision: OperatorDecision): Promise<void> {
  const organizationId = organizationOf(response).id;
  const domain = nameOf(request);
  return runAndRedirect(runtime, response, {
    href: hrefOf(response),
    run: async () => {
      await requireKeyWithinLimit(runtime, 'domain_check', organizationId);
      const { verifiedBy } = await verifyDomain(runtime, callerOf(request, response), { organizationId, domain, ...decision });
      return verifiedBy === 'dns' ? TEXTS.verifiedByRecord(domain) : TEXTS.verified(domain);
    },
  });
}

/** The operator must type the domain, because another organization loses it. */
async function transfer(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const claim = claimOf(request, response);
  if (confirmationOf(request) === claim.domain) return verify(runtime, request, response, { isConfirmed: true, isTransfer: true });
  sendConsolePage(response, <TransferDomainPage frame={frameOf(runtime, request, response)} claim={claim} mistyped />, 400);
}
