import type { Response } from 'express';
import { renderPage } from '../../console/layout.tsx';
import { PostFormPage } from '../../console/post-form-page.tsx';
import type { BrowserMessage } from '../../saml/messages/bindings.ts';
import { sendPage } from '../pages.ts';

/** Sends a SAML message through the browser, with a redirect or with a page whose form submits itself. */
export function sendBrowserMessage(response: Response, message: BrowserMessage): void {
  response.setHeader('Cache-Control', 'no-store');
  // After a POST, only 303 makes every browser continue with a GET.
  if (message.binding === 'redirect') response.redirect(response.req.method === 'GET' ? 302 : 303, message.url);
  else sendPage(response, 200, renderPage(<PostFormPage action={message.action} fields={message.fields} />), { formsMayLeave: true });
}
