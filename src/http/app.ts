/** The HTTP face of the gateway: which routes there are, and what stands in front of all of them. */
import express, { type Express } from 'express';
import helmet from 'helmet';
import type { Runtime } from '../runtime.ts';
import { apiRoutes } from './api.ts';
import { apiDocsRoutes } from './api-docs.tsx';
import { assetRoutes } from './assets.ts';
import { consoleRoutes } from './console/console.tsx';
import { setupRoutes } from './console/setup.tsx';
import { deviceRoutes } from './device.tsx';
import { errorExit, notFound } from './error-exit.tsx';
import { forwardAuthRefusals } from './forward-auth.ts';
import { loginRoutes } from './login.tsx';
import { oauthRoutes } from './oauth.ts';
import { operationsRoutes } from './operations.ts';
import { observe, requestContext } from './request-context.ts';
import { samlRoutes } from './saml.tsx';
import { singleLogoutRoutes } from './slo.tsx';

export function makeApp(runtime: Runtime): Express {
  const { config } = runtime;
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('case sensitive routing', true);
  app.set('query parser', 'simple');
  app.set('trust proxy', config.trustProxy);
  app.use(requestContext, observe(runtime));
  app.use(
    helmet({
      // Pages set their own; what is no page needs nothing at all.
      contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
      strictTransportSecurity: config.isHttps ? { maxAge: 63_072_000, includeSubDomains: false } : false,
      referrerPolicy: { policy: 'same-origin' },
      crossOriginOpenerPolicy: { policy: 'same-origin' },
      xFrameOptions: { action: 'deny' },
    }),
  );
  // How people reach us is the base URL's business, not that of a header.
  app.use((request, _response, next) => {
    Object.defineProperty(request, 'secure', { value: config.isHttps });
    next();
  });
  app.use(operationsRoutes(runtime));
  app.use(assetRoutes());
  app.use(samlRoutes(runtime));
  app.use(singleLogoutRoutes(runtime));
  app.use(loginRoutes(runtime));
  app.use(deviceRoutes(runtime));
  app.use(oauthRoutes(runtime));
  app.use(forwardAuthRefusals());
  app.use(consoleRoutes(runtime));
  app.use(setupRoutes(runtime));
  app.use(apiDocsRoutes(runtime));
  app.use('/api/v1', apiRoutes(runtime));
  app.get('/', (_request, response) => response.redirect(303, '/console'));
  app.use(notFound);
  app.use(errorExit(runtime.log));
  return app;
}
