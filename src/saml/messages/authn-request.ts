/**
 * Creates AuthnRequests with @node-saml/node-saml, without those of its defaults that break sign-ins: there is no
 * RequestedAuthnContext and no NameIDPolicy Format unless configured (Entra ID answers AADSTS75011, Okta refuses a mismatch), and
 * HTTP-POST is never deflated.
 */
import type { SamlConfig } from '@node-saml/node-saml';
import { NAME_ID_TRANSIENT } from '../names.ts';
import { type BrowserMessage, type MessageSigningKey, signEnveloped } from './bindings.ts';

export interface AuthnRequestOptions {
  /** An unguessable NCName. The response repeats it as InResponseTo. */
  readonly id: string;
  readonly entityId: string;
  readonly acsUrl: string;
  /** The identity provider's endpoint for this binding. */
  readonly ssoUrl: string;
  readonly binding: 'redirect' | 'post';
  /** At most 80 octets (saml-bindings §3.4.3). */
  readonly relayState: string;
  /** Signs the request with rsa-sha256. */
  readonly signWith?: MessageSigningKey | undefined;
  readonly nameIdFormat?: string | undefined;
  /** Allows the identity provider to create an identifier for the user. */
  readonly allowCreate: boolean;
  readonly forceAuthn: boolean;
  /** AuthnContextClassRefs, required with Comparison="exact". Empty for no requirement. */
  readonly authnContext: readonly string[];
}

/**
 * Creates the message that starts an SP-initiated sign-in.
 * @see saml-core §3.4.1, saml-bindings §3.4 (Redirect), §3.5 (POST)
 */
export async function createAuthnRequest(options: AuthnRequestOptions): Promise<BrowserMessage> {
  const { SAML } = await import('../libraries.ts');
  class RequestWriter extends SAML {
    override async generateAuthorizeRequestAsync(isPassive: boolean, isPost: boolean): Promise<string> {
      const generated = await super.generateAuthorizeRequestAsync(isPassive, false);
      // Without format and AllowCreate, a NameIDPolicy says nothing.
      const isEmpty = options.nameIdFormat === undefined && !allowsCreate(options);
      // Federations that forbid AllowCreate forbid the attribute, not only the value true.
      const request = isEmpty ? generated.replace(/<samlp:NameIDPolicy [^>]*\/>/, '') : generated.replace(' AllowCreate="false"', '');
      return isPost && options.signWith ? signEnveloped(request, options.id, options.signWith) : request;
    }
  }
  const writer = new RequestWriter(samlConfig(options));
  if (options.binding === 'redirect') {
    return { binding: 'redirect', url: await writer.getAuthorizeUrlAsync(options.relayState, undefined, {}) };
  }
  const message = await writer.getAuthorizeMessageAsync(options.relayState);
  return { binding: 'post', action: options.ssoUrl, fields: { SAMLRequest: String(message.SAMLRequest), RelayState: options.relayState } };
}

/**
 * LemonLDAP::NG sends no NameID unless the request has AllowCreate, so the gateway sets it by default, as the Shibboleth SP does. A
 * request for transient NameIDs must not have it.
 * @see saml-core §3.4.1.1
 */
const allowsCreate = ({ allowCreate, nameIdFormat }: AuthnRequestOptions): boolean => allowCreate && nameIdFormat !== NAME_ID_TRANSIENT;

function samlConfig(options: AuthnRequestOptions): SamlConfig {
  return {
    issuer: options.entityId,
    callbackUrl: options.acsUrl,
    entryPoint: options.ssoUrl,
    // The library requires one, but uses it only for responses, which this object never reads.
    idpCert: 'unused',
    generateUniqueId: () => options.id,
    skipRequestCompression: options.binding === 'post',
    signatureAlgorithm: 'sha256',
    digestAlgorithm: 'sha256',
    identifierFormat: options.nameIdFormat ?? null,
    allowCreate: allowsCreate(options),
    forceAuthn: options.forceAuthn,
    disableRequestedAuthnContext: options.authnContext.length === 0,
    authnContext: [...options.authnContext],
    racComparison: 'exact',
    ...(options.signWith && options.binding === 'redirect' ? { privateKey: options.signWith.privateKeyPem } : {}),
  };
}
