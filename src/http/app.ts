/** Builds the Express application: the middleware for all requests, then the routes of each feature. */
import express, { type Express, type RequestHandler, Router } from 'express';
import helmet from 'helmet';
import type { Runtime } from '../runtime.ts';
import { assetRoutes } from './assets.ts';
import { deviceRoutes } from './device.tsx';
import { errorExit, notFound } from './error-exit.tsx';
import { forwardAuthRefusals } from './forward-auth.ts';
import { healthRoutes } from './health/health.ts';
import { boundBodies } from './limits/request-bodies.ts';
import { loginRoutes } from './login.tsx';
import { oauthRoutes } from './oauth.ts';
import { observe, requestContext } from './request-context.ts';
import { samlRoutes } from './saml/acs.tsx';
import { singleLogoutRoutes } from './saml/slo.tsx';

export function makeApp(runtime: Runtime): Express {
  const { config } = runtime;
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('case sensitive routing', true);
  app.set('query parser', 'simple');
  app.set('trust proxy', config.trustProxy);
  // The base URL decides whether requests are secure; request headers do not.
  Object.defineProperty(app.request, 'secure', { value: config.isHttps });
  app.use(requestContext, observe(runtime), boundBodies(runtime));
  app.use(
    helmet({
      // `sendPage` sets the policy of pages. Other responses load nothing.
      contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
      strictTransportSecurity: config.isHttps ? { maxAge: 63_072_000, includeSubDomains: false } : false,
      // Other sites see no URL, which may have an email address in its query. With no-referrer, browsers would also send `Origin: null`
      // with the gateway's own forms, which requireOwnOrigin() refuses.
      referrerPolicy: { policy: 'same-origin' },
      crossOriginOpenerPolicy: { policy: 'same-origin' },
      xFrameOptions: { action: 'deny' },
    }),
  );
  app.use(samlRoutes(runtime));
  app.use(singleLogoutRoutes(runtime));
  app.use(healthRoutes(runtime));
  app.use(assetRoutes());
  app.use(loginRoutes(runtime));
  app.use(deviceRoutes(runtime));
  app.use(oauthRoutes(runtime));
  app.use(forwardAuthRefusals(runtime));
  app.use(loadOnFirstRequest(/^\/scim\/v2(?:\/|$)/, () => scim(runtime)));
  app.use(loadOnFirstRequest(/^\/(?:console|setup)(?:\/|$)/, () => consolePages(runtime)));
  app.use(loadOnFirstRequest(/^\/docs(?:\/|$)/, documentation));
  app.use(loadOnFirstRequest(/^\/api\/docs$/, () => apiReference(runtime)));
  app.use(loadOnFirstRequest(/^\/api\/v1(?:\/|$)/, () => api(runtime)));
  app.use(notFound);
  app.use(errorExit(runtime.log));
  return app;
}

/** Loads a part on the first request for its paths, so that a gateway that only handles sign-ins and checks starts fast and stays small. */
function loadOnFirstRequest(paths: RegExp, load: () => Promise<RequestHandler>): RequestHandler {
  let loading: Promise<RequestHandler> | undefined;
  return async (request, response, next) => {
    if (!paths.test(request.path)) return next();
    loading ??= load();
    const handler = await loading.catch((error: unknown) => {
      loading = undefined; // lets the next request retry
      throw error;
    });
    return handler(request, response, next);
  };
}

async function consolePages(runtime: Runtime): Promise<RequestHandler> {
  const [{ consoleRoutes }, { setupRoutes }] = await Promise.all([import('./console/console.tsx'), import('./console/setup.tsx')]);
  return Router({ caseSensitive: true }).use(consoleRoutes(runtime)).use(setupRoutes(runtime));
}

async function scim(runtime: Runtime): Promise<RequestHandler> {
  const { scimRoutes } = await import('./scim/scim.ts');
  return scimRoutes(runtime);
}

async function api(runtime: Runtime): Promise<RequestHandler> {
  const { apiRoutes } = await import('./api/api.ts');
  return apiRoutes(runtime);
}

async function apiReference(runtime: Runtime): Promise<RequestHandler> {
  const { apiReferenceRoutes } = await import('./api-reference/api-reference.tsx');
  return apiReferenceRoutes(runtime);
}

async function documentation(): Promise<RequestHandler> {
  const { docsRoutes } = await import('./docs.tsx');
  return docsRoutes();
}
