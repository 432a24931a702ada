/** `/organizations/{org}/sign-ins`: the sign-in log, with the reason for each refusal. */
import { flushSignInLog } from '../../auth/sign-in-log/record-sign-in.ts';
import { getLogEntry, listLogEntries, type SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
import type { Runtime } from '../../runtime.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { pageJson } from './representations.ts';
import { SIGN_IN_QUERY } from './request-shapes.ts';
import { signInBundleJson, signInDetailsJson, signInJson } from './sign-in-log-representations.ts';

export const SIGN_INS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/sign-ins',
    id: 'listSignIns',
    summary: 'List sign-ins',
    description:
      'Returns accepted, refused and test sign-ins, the newest first. Entries are kept for SAMLGATE_SIGN_IN_LOG_DAYS days. If there are too many, only the latest of each kind are kept, and not every one of a flood of refused responses is recorded.',
    who: 'owner',
    query: SIGN_IN_QUERY,
    status: 200,
    answer: answers.SIGN_IN_PAGE,
    handle: async ({ runtime, organization, query }) => {
      await flushSignInLog(runtime);
      return pageJson(await listLogEntries(runtime, organization.id, query), signInJson);
    },
  }),
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/sign-ins/{id}',
    id: 'getSignIn',
    summary: 'Retrieve a sign-in',
    description: 'Returns the sign-in with the result of each check of its SAML response, and advice on what to change.',
    who: 'owner',
    status: 200,
    answer: answers.SIGN_IN_DETAILS,
    refusals: ['not_found'],
    handle: async ({ runtime, organization, params }) => signInDetailsJson(await findEntry(runtime, organization.id, params.id)),
  }),
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/sign-ins/{id}/bundle',
    id: 'getSignInBundle',
    summary: 'Download a sign-in for a support ticket',
    description: 'Returns the sign-in without personal data: no email address, no name and no group.',
    who: 'owner',
    status: 200,
    answer: answers.SIGN_IN_BUNDLE,
    headers: ['Content-Disposition'],
    refusals: ['not_found'],
    handle: async ({ runtime, response, organization, params }) => {
      const entry = await findEntry(runtime, organization.id, params.id);
      response.setHeader('Content-Disposition', `attachment; filename="samlgate-${entry.id}.json"`);
      return signInBundleJson(entry, organization, runtime.config.baseUrl);
    },
  }),
];

/** Entries of the last moments may still be waiting to be written, so they are written first. */
async function findEntry(runtime: Runtime, organizationId: string, id: string): Promise<SignInLogEntry> {
  await flushSignInLog(runtime);
  return getLogEntry(runtime, organizationId, id);
}
