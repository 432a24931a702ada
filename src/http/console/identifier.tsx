/** The forms that choose what identifies the users of a connection. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { IdentifierChangePage, identifierText } from '../../console/single-sign-on/identifier-panel.tsx';
import { changeIdpSettings } from '../../organizations/connections/identity-providers.ts';
import { previewIdentifier } from '../../organizations/identity/identifier-setting.ts';
import type { Runtime } from '../../runtime.ts';
import type { IdentifierSetting } from '../../saml/identifier/identifier.ts';
import { organizationOf } from '../api/callers.ts';
import { checkShape, IDENTIFIER } from '../api/request-shapes.ts';
import { signalOf } from '../request-context.ts';
import { requireVisitedConnection } from './connections/visited-connection.ts';
import { visitActorOf } from './setup-visit.ts';
import { frameOf, redirectWithNotice, sendConsolePage, singleSignOnPathOf } from './visit.ts';

const TEXTS = {
  isReset: 'The identifier is reset. The next accepted sign-in or test sets it again.',
  isSet: (identifier: string) => `Users are identified by ${identifier}. Check it with a test sign-in.`,
} as const;

export function identifierPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.post('/', (request, response) => changeIdentifier(runtime, request, response));
  return router;
}

const CHOICE = z.object({
  attribute: z.string().trim().optional(),
  name_id: z.string().trim().optional(),
  confirmed: z.literal('yes').optional(),
});

/** Saves the identifier. If members are known by another one, shows them first; without an attribute and format, resets the pin. */
async function changeIdentifier(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { attribute, name_id, confirmed } = checkShape(CHOICE, { ...(request.body as object), ...request.query });
  const choice = attribute !== undefined ? { attribute } : name_id !== undefined ? { name_id } : ('auto' as const);
  const setting = checkShape(IDENTIFIER, choice);
  const organization = organizationOf(response);
  const connection = requireVisitedConnection(response);
  const preview = await previewIdentifier(runtime.store, organization.id, { connection, setting, signal: signalOf(response) });
  if (setting !== 'auto' && !confirmed && (preview.isPartial || preview.affected + preview.undetermined > 0)) {
    const page = <IdentifierChangePage frame={frameOf(runtime, request, response)} setting={setting} preview={preview} />;
    return sendConsolePage(response, page);
  }
  await changeIdpSettings(runtime, visitActorOf(request, response), {
    organization,
    connectionId: connection.id,
    changes: { identifier: setting },
  });
  const path = singleSignOnPathOf(response);
  // A setup continues with the next step.
  redirectWithNotice(runtime, response, connection.state === 'draft' && setting !== 'auto' ? `${path}/steps` : path, savedText(setting));
}

const savedText = (setting: IdentifierSetting): string => (setting === 'auto' ? TEXTS.isReset : TEXTS.isSet(identifierText(setting)));
