import { GatewayError } from '../../errors.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import type { ResponseSettings, VerifiedAssertion } from '../../saml/response/response.ts';
import { secondOpinion } from '../../saml/response/second-opinion.ts';

/**
 * Asks another verifier about a message that ours has accepted, where the operator wants that; before anything is claimed.
 *
 * The refusal says that the message can be read in more than one way, as that is what a disagreement means. The signature need
 * not be bad: one of the two readers is wrong, and nobody knows yet which.
 * @throws saml_structure_ambiguous where it refuses the message, or reads another person in it
 */
export async function askSecondOpinion(
  runtime: Runtime,
  organization: Organization,
  unverifiedXml: string,
  settings: ResponseSettings,
  assertion: VerifiedAssertion,
): Promise<void> {
  if (!runtime.config.secondOpinion) return;
  const disagreement = await secondOpinion(unverifiedXml, assertion, settings, runtime.now());
  runtime.metrics.secondOpinions.inc({ outcome: disagreement?.kind ?? 'agreed' });
  if (!disagreement) return;
  const { kind, about } = disagreement;
  runtime.log.error(
    { organization: organization.slug, assertion: assertion.assertionId.slice(0, 100), kind, about },
    'ALARM: the second opinion disagrees about a sign-in message that was accepted; nobody was let in. Keep the message, and report it',
  );
  throw new GatewayError('saml_structure_ambiguous', {
    detail: 'Two independent readers of SAML do not agree about this message, so nobody is let in.',
    cause: `second opinion ${kind}: ${about}`,
  });
}
