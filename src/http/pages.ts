import type { Response } from 'express';

export interface PageOptions {
  /** Where forms of this page may lead in the end: browsers hold redirects after a form against the policy as well. */
  readonly formsMayLeave?: boolean;
}

/** Sends a page with the Content-Security-Policy of pages: nothing inline, nothing from elsewhere, never framed. */
export function sendPage(response: Response, status: number, html: string, { formsMayLeave = false }: PageOptions = {}): void {
  const forms = formsMayLeave ? "'self' https: http:" : "'self'";
  response.setHeader(
    'Content-Security-Policy',
    `default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action ${forms}; base-uri 'none'; frame-ancestors 'none'`,
  );
  response.setHeader('Cache-Control', 'no-store');
  response.status(status).type('html').send(html);
}
