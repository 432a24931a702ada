/** Bodies of requests about members who have not signed in since the identity provider changed. */
import { z } from 'zod';
import { ENTITY_ID_DECISIONS } from '../../organizations/connections/entity-id-change.ts';

export const LINK_DECISION = z.strictObject({
  link_request: z.string().min(1).max(64).describe('The ID of the request, so that no other request is decided than the one you saw.'),
});
export const CHANGE_TO_PREVIEW = z.strictObject({
  on_new_entity_id: z.enum(ENTITY_ID_DECISIONS),
  identifiers_csv: z.string().optional().describe('For `keep`: CSV with the header `old_identifier,new_identifier`, at most 1 MiB.'),
});
export const PENDING_REVOCATION = z.strictObject({
  change: z.string().min(1).max(64).describe('The ID of the change whose pending members lose their credentials.'),
});
