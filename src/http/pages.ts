import type { Response } from 'express';

export interface PageOptions {
  /** Where forms of this page may lead in the end: browsers hold redirects after a form against the policy as well. */
  readonly formsMayLeave?: boolean;
  /** Style sheets of this page have pictures in them. */
  readonly dataImages?: boolean;
}

/** Sends a page with the Content-Security-Policy of pages: nothing inline, nothing from elsewhere, never framed. */
export function sendPage(response: Response, status: number, html: string, options: PageOptions = {}): void {
  const { formsMayLeave = false, dataImages = false } = options;
  const forms = formsMayLeave ? "'self' https: http:" : "'self'";
  response.setHeader(
    'Content-Security-Policy',
    `default-src 'none'; style-src 'self'; script-src 'self'; img-src ${dataImages ? "'self' data:" : "'self'"}; connect-src 'self'; form-action ${forms}; base-uri 'none'; frame-ancestors 'none'`,
  );
  response.setHeader('Cache-Control', 'no-store');
  response.status(status).type('html').send(html);
}
