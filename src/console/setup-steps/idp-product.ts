/** The shape of the table of identity providers. */
import type { IdpKind } from '../../saml/explain/idp-screens.ts';

/** Values of the organization that the screens of an identity provider ask for. */
export type OwnValue = 'acs' | 'entityId' | 'login' | 'logout' | 'metadata' | 'scim' | 'scimTenant';

/** How sketches and lists name the values of the organization. */
export const OWN_LABELS: Readonly<Record<OwnValue, string>> = {
  acs: 'ACS URL',
  entityId: 'entity ID',
  login: 'sign-in URL',
  logout: 'logout URL',
  metadata: 'metadata URL',
  scim: 'SCIM base URL',
  scimTenant: 'SCIM tenant URL',
};

/** A field of a screen: its label as the vendor writes it, and what goes into it. */
export interface ScreenField {
  readonly label: string;
  readonly value: { readonly own: OwnValue } | string;
  /** How the screen shows the field; by default an input. */
  readonly kind?: 'box' | 'choice';
}

/** One screen of the identity provider, or one thing to do there. */
export interface ProductTask {
  readonly title: string;
  /** Where to find the screen, or what to do. */
  readonly text: string;
  readonly fields?: readonly ScreenField[];
  /** Text to paste into a file of the identity provider. `{entityId}` stands for the entity ID of the organization. */
  readonly code?: string;
  /** The buttons to click afterwards, in this order. */
  readonly buttons?: readonly string[];
  readonly note?: string;
}

export interface IdpProduct {
  readonly label: string;
  /** The example file in `config/idp-examples`. */
  readonly example?: string;
  /** Selects the advice about refused responses. */
  readonly kind: IdpKind;
  readonly tasks: readonly ProductTask[];
  /** How to provision users with SCIM, if the identity provider can. */
  readonly provisioning?: readonly ProductTask[];
  /** Where the identity provider shows its metadata. */
  readonly metadata: string;
}

export const ACS = { own: 'acs' } as const;
export const ENTITY_ID = { own: 'entityId' } as const;
export const LOGIN = { own: 'login' } as const;
export const LOGOUT = { own: 'logout' } as const;
export const SCIM = { own: 'scim' } as const;
export const SCIM_TENANT = { own: 'scimTenant' } as const;
export const METADATA = { own: 'metadata' } as const;

/** Lists fields of a screen from their labels and values. */
export const fields = (...all: readonly (readonly [label: string, value: ScreenField['value'], kind?: ScreenField['kind']])[]) =>
  all.map(([label, value, kind]): ScreenField => ({ label, value, ...(kind === undefined ? {} : { kind }) }));
