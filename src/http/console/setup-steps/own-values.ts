import type { OwnValue } from '../../../console/setup-steps/idp-product.ts';
import { serviceProviderUrls } from '../../../organizations/connections/identity-providers.ts';
import type { Organization } from '../../../organizations/organizations.ts';
import type { Runtime } from '../../../runtime.ts';

/** Returns the values of an organization that identity providers ask for. */
export function ownValues({ config }: Runtime, { slug }: Organization): Readonly<Record<OwnValue, string>> {
  const { acsUrl, entityId, loginUrl, sloUrl } = serviceProviderUrls(config.baseUrl, slug);
  const scim = `${config.baseUrl}/scim/v2/${slug}`;
  const scimTenant = `${scim}?aadOptscim062020`;
  return { acs: acsUrl, entityId, login: loginUrl, logout: sloUrl, metadata: entityId, scim, scimTenant };
}
