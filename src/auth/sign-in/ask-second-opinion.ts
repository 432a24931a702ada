import { GatewayError } from '../../errors.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import type { ResponseSettings } from '../../saml/response/response-settings.ts';
import { secondOpinion } from '../../saml/response/second-opinion.ts';

export interface SecondOpinionQuestion {
  readonly unverifiedXml: string;
  readonly settings: ResponseSettings;
  readonly assertion: VerifiedAssertion;
}

/**
 * Asks a second verifier about a response that the first one accepted, if the operator turned that on. It runs before
 * anything is claimed.
 *
 * A disagreement is reported as an ambiguous structure, not as an invalid signature: one of the two readers is wrong, and
 * nothing tells which.
 * @throws saml_structure_ambiguous if the second verifier refuses the response or reads another user in it
 */
export async function askSecondOpinion(
  runtime: Runtime,
  organization: Organization,
  { unverifiedXml, settings, assertion }: SecondOpinionQuestion,
): Promise<void> {
  if (!runtime.config.secondOpinion) return;
  const disagreement = await secondOpinion(unverifiedXml, assertion, settings, runtime.now());
  runtime.metrics.secondOpinions.inc({ outcome: disagreement?.kind ?? 'agreed' });
  if (!disagreement) return;
  const { kind, about } = disagreement;
  runtime.log.error(
    { organization: organization.slug, assertion: assertion.assertionId.slice(0, 100), kind, about },
    'ALARM: the second verifier disagrees about a SAML response that the gateway accepted. The sign-in was refused. Keep the response and report it',
  );
  throw new GatewayError('saml_structure_ambiguous', {
    detail: 'Two independent verifiers disagree about this SAML response, so the sign-in was refused.',
    cause: `second opinion ${kind}: ${about}`,
  });
}
