/**
 * AuthnRequests, made with @node-saml/node-saml and bent where its defaults do harm: no RequestedAuthnContext and no
 * NameIDPolicy unless set (Entra ID answers AADSTS75011, Okta refuses a mismatch), never deflated on HTTP-POST.
 */
import type { SamlConfig } from '@node-saml/node-saml';
import { type BrowserMessage, type MessageSigningKey, signEnveloped } from './bindings.ts';

export interface AuthnRequestOptions {
  /** NCName, unguessable; the response's InResponseTo. */
  readonly id: string;
  readonly entityId: string;
  readonly acsUrl: string;
  /** The IdP's endpoint and the binding that it has there. */
  readonly ssoUrl: string;
  readonly binding: 'redirect' | 'post';
  /** At most 80 octets (saml-bindings §3.4.3). */
  readonly relayState: string;
  /** Signs with rsa-sha256 where given. */
  readonly signWith?: MessageSigningKey | undefined;
  readonly nameIdFormat?: string | undefined;
  readonly forceAuthn: boolean;
  /** AuthnContextClassRefs, asked for with Comparison exact; empty for none. */
  readonly authnContext: readonly string[];
}

/**
 * Makes the message that starts an SP-initiated login.
 * @see saml-core §3.4.1, saml-bindings §3.4 (Redirect), §3.5 (POST)
 */
export async function createAuthnRequest(options: AuthnRequestOptions): Promise<BrowserMessage> {
  const { SAML } = await import('../libraries.ts');
  class Maker extends SAML {
    override async generateAuthorizeRequestAsync(isPassive: boolean, isPost: boolean): Promise<string> {
      const made = await super.generateAuthorizeRequestAsync(isPassive, false);
      // The library always writes a NameIDPolicy; without a format it says nothing but may be refused.
      const request = options.nameIdFormat === undefined ? made.replace(/<samlp:NameIDPolicy [^>]*\/>/, '') : made;
      return isPost && options.signWith ? signEnveloped(request, options.id, options.signWith) : request;
    }
  }
  const maker = new Maker(samlConfig(options));
  if (options.binding === 'redirect') {
    return { binding: 'redirect', url: await maker.getAuthorizeUrlAsync(options.relayState, undefined, {}) };
  }
  const message = await maker.getAuthorizeMessageAsync(options.relayState);
  return { binding: 'post', action: options.ssoUrl, fields: { SAMLRequest: String(message.SAMLRequest), RelayState: options.relayState } };
}

function samlConfig(options: AuthnRequestOptions): SamlConfig {
  return {
    issuer: options.entityId,
    callbackUrl: options.acsUrl,
    entryPoint: options.ssoUrl,
    // Only for responses, which this object never sees; the library wants one all the same.
    idpCert: 'unused',
    generateUniqueId: () => options.id,
    skipRequestCompression: options.binding === 'post',
    signatureAlgorithm: 'sha256',
    digestAlgorithm: 'sha256',
    identifierFormat: options.nameIdFormat ?? null,
    allowCreate: true,
    forceAuthn: options.forceAuthn,
    disableRequestedAuthnContext: options.authnContext.length === 0,
    authnContext: [...options.authnContext],
    racComparison: 'exact',
    ...(options.signWith && options.binding === 'redirect' ? { privateKey: options.signWith.privateKeyPem } : {}),
  };
}
