import type { Response } from 'express';
import { encodePage, type StaticBody } from './compression.ts';

export interface PageOptions {
  /** Allows forms to redirect to other sites. Browsers also apply the policy to redirects after a form. */
  readonly formsMayLeave?: boolean;
}

/** Sends a page that is the same for everyone, such as one of the documentation. It is compressed once. */
export async function sendStaticPage(response: Response, body: StaticBody): Promise<void> {
  setPageHeaders(response, {});
  response.setHeader('Cache-Control', 'no-cache');
  response.type('html').send(await body.encode(response));
}

/** Sends a page with the Content-Security-Policy of pages: nothing inline, nothing from other hosts, no framing. */
export function sendPage(response: Response, status: number, html: string, options: PageOptions = {}): void {
  setPageHeaders(response, options);
  response.setHeader('Cache-Control', 'no-store');
  response.status(status).type('html').send(encodePage(response, html));
}

function setPageHeaders(response: Response, { formsMayLeave = false }: PageOptions): void {
  const forms = formsMayLeave ? "'self' https: http:" : "'self'";
  response.setHeader(
    'Content-Security-Policy',
    `default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action ${forms}; base-uri 'none'; frame-ancestors 'none'`,
  );
}
