/**
 * The identity providers that the setup guides through. The console, the table in docs/identity-providers.md (`npm run docs`) and the
 * check of the files in config/idp-examples read it.
 */
import { ENTRA_ID, GOOGLE_WORKSPACE, JUMPCLOUD, OKTA, ONELOGIN, PING } from './cloud-products.ts';
import type { IdpProduct } from './idp-product.ts';
import { ADFS, KEYCLOAK, OTHER, SHIBBOLETH, SIMPLESAMLPHP } from './server-products.ts';

export const IDP_PRODUCTS = {
  okta: OKTA,
  'entra-id': ENTRA_ID,
  'google-workspace': GOOGLE_WORKSPACE,
  adfs: ADFS,
  keycloak: KEYCLOAK,
  onelogin: ONELOGIN,
  ping: PING,
  jumpcloud: JUMPCLOUD,
  shibboleth: SHIBBOLETH,
  simplesamlphp: SIMPLESAMLPHP,
  other: OTHER,
} as const satisfies Readonly<Record<string, IdpProduct>>;

export type IdpProductId = keyof typeof IDP_PRODUCTS;

export const isIdpProduct = (text: unknown): text is IdpProductId => typeof text === 'string' && Object.hasOwn(IDP_PRODUCTS, text);
