/** The HTTP face of the gateway: which routes there are, and what stands in front of all of them. */
import express, { type Express, type Request, type RequestHandler, type Response, Router } from 'express';
import helmet from 'helmet';
import type { Runtime } from '../runtime.ts';
import { apiDocsRoutes } from './api/api-docs.tsx';
import { assetRoutes } from './assets.ts';
import { deviceRoutes } from './device.tsx';
import { errorExit, notFound } from './error-exit.tsx';
import { forwardAuthRefusals } from './forward-auth.ts';
import { operationsRoutes } from './health.ts';
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
  // How people reach us is the base URL's business, not that of a header.
  Object.defineProperty(app.request, 'secure', { value: config.isHttps });
  app.use(requestContext, observe(runtime));
  app.use(
    always(
      helmet({
        // Pages set their own; what is no page needs nothing at all.
        contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
        strictTransportSecurity: config.isHttps ? { maxAge: 63_072_000, includeSubDomains: false } : false,
        referrerPolicy: { policy: 'same-origin' },
        crossOriginOpenerPolicy: { policy: 'same-origin' },
        xFrameOptions: { action: 'deny' },
      }),
    ),
  );
  app.use(samlRoutes(runtime));
  app.use(singleLogoutRoutes(runtime));
  app.use(operationsRoutes(runtime));
  app.use(assetRoutes());
  app.use(loginRoutes(runtime));
  app.use(deviceRoutes(runtime));
  app.use(oauthRoutes(runtime));
  app.use(forwardAuthRefusals());
  app.use(whenAsked(/^\/(?:console|setup)(?:\/|$)/, () => consolePages(runtime)));
  app.use(apiDocsRoutes(runtime));
  app.use(whenAsked(/^\/api\/v1(?:\/|$)/, () => api(runtime)));
  app.get('/', (_request, response) => response.redirect(303, '/console'));
  app.use(notFound);
  app.use(errorExit(runtime.log));
  return app;
}

/** The headers that a middleware sets on every response, whatever it is, set at once instead of by a function for each. */
function always(middleware: RequestHandler): RequestHandler {
  const headers = new Map<string, string>();
  const recorder = { setHeader: (name: string, value: string) => headers.set(name, value), removeHeader: () => undefined };
  let isDone = false;
  middleware({} as Request, recorder as unknown as Response, (error?: unknown) => {
    if (error) throw error;
    isDone = true;
  });
  if (!isDone || headers.size === 0) throw new TypeError('the middleware does not set its headers at once');
  return (_request, response, next) => {
    response.setHeaders(headers);
    next();
  };
}

/** A part that is loaded when its paths are first asked for: many gateways serve sign-ins and checks, and shall start and idle small. */
function whenAsked(paths: RegExp, load: () => Promise<RequestHandler>): RequestHandler {
  let loading: Promise<RequestHandler> | undefined;
  return async (request, response, next) => {
    if (!paths.test(request.path)) return next();
    loading ??= load();
    const handler = await loading.catch((error: unknown) => {
      loading = undefined; // the next request tries again
      throw error;
    });
    return handler(request, response, next);
  };
}

async function consolePages(runtime: Runtime): Promise<RequestHandler> {
  const [{ consoleRoutes }, { setupRoutes }] = await Promise.all([import('./console/console.tsx'), import('./console/setup.tsx')]);
  return Router({ caseSensitive: true }).use(consoleRoutes(runtime)).use(setupRoutes(runtime));
}

async function api(runtime: Runtime): Promise<RequestHandler> {
  const { apiRoutes } = await import('./api/api.ts');
  return Router({ caseSensitive: true }).use('/api/v1', apiRoutes(runtime));
}
