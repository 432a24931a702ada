import type { Response } from 'express';

export interface PageOptions {
  /** Allows forms to redirect to other sites. Browsers apply the policy to redirects after a form too. */
  readonly formsMayLeave?: boolean;
}

/** Sends a page with the Content-Security-Policy of pages: nothing inline, nothing from other hosts, no framing. */
export function sendPage(response: Response, status: number, html: string, options: PageOptions = {}): void {
  const { formsMayLeave = false } = options;
  const forms = formsMayLeave ? "'self' https: http:" : "'self'";
  response.setHeader(
    'Content-Security-Policy',
    `default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action ${forms}; base-uri 'none'; frame-ancestors 'none'`,
  );
  response.setHeader('Cache-Control', 'no-store');
  response.status(status).type('html').send(html);
}
