/** A member's own page: who they are, their CLI tokens and their sessions. */
import { Router } from 'express';
import { CredentialsPage } from '../../console/credentials-page.tsx';
import type { Runtime } from '../../runtime.ts';
import { frameOf, sendConsolePage, sessionOf } from './visit.ts';

export function credentialPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => {
    const { member } = sessionOf(response);
    sendConsolePage(response, <CredentialsPage frame={frameOf(runtime, request, response)} member={member} />);
  });
  return router;
}
