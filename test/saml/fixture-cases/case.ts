/** The fixture cases and their file format. */
import type { ErrorCode } from '../../../src/errors.ts';
import type { Role, RoleMapping } from '../../../src/organizations/role-mapping.ts';
import type { Identifier, IdentifierSetting } from '../../../src/saml/identifier/identifier.ts';
import type { AttributeMapping } from '../../../src/saml/response/attribute-mapping.ts';
import type { NameId } from '../../../src/saml/response/name-id.ts';
import type { ResponseSettings } from '../../../src/saml/response/response-settings.ts';
import { ACS_URL, ENTITY_ID, type ExpectedPerson, IDP, NOW_MS } from './hand-made.ts';
import type { KeyName } from './keys.ts';

/** The settings of a case in `case.json`. They are complete, so that a changed default changes no case. */
export interface WrittenSettings extends Omit<ResponseSettings, 'keys' | 'decryptionKeys'> {
  /** File names in `fixtures/certificates/`. */
  readonly certificates: readonly string[];
  readonly nowMs: number;
  /** Added to the default mapping. */
  readonly attributeMapping: Partial<AttributeMapping>;
  /** Default: `auto`. */
  readonly identifier?: IdentifierSetting;
  readonly nameIdFormat?: string;
  readonly roleMapping: RoleMapping;
}

/** The settings of a case that differ from {@link DEFAULTS}. */
export type CaseSettings = Partial<Omit<WrittenSettings, 'certificates'>> & { readonly trusted?: readonly KeyName[] };

/** The content of an accepted response, except the user. Null stands for undefined, which JSON does not have. */
export interface Statement {
  readonly assertionId: string;
  readonly inResponseTo: string | null;
  readonly identifier: Omit<Identifier, 'formerForms'>;
  readonly acceptableUntil: string;
  readonly nameId: NameId | null;
  readonly sessionIndex: string | null;
  readonly sessionNotOnOrAfter: string | null;
  readonly authnContextClassRef: string | null;
  /** File names in `fixtures/certificates/`. */
  readonly expiredCertificates: readonly string[];
}

interface AnyCase {
  /** The folder name, which describes the attempt. */
  readonly name: string;
  readonly xml: string | Buffer;
  readonly settings?: CaseSettings;
  /** Created by the test itself and never written, because it is large or needs a private key. */
  readonly live?: true;
}

export interface RejectedCase extends AnyCase {
  readonly code: ErrorCode;
  /** A part of the error's detail. */
  readonly detail?: string;
}

export interface AcceptedCase extends AnyCase {
  readonly person: ExpectedPerson;
  /** Default: `owner`. */
  readonly role?: Role;
  readonly statement?: Partial<Statement>;
}

export type FixtureCase = AcceptedCase | RejectedCase;

export type Expected = Pick<RejectedCase, 'code' | 'detail'> | { person: ExpectedPerson; role: Role; statement: Partial<Statement> };

/** The content of `case.json`. */
export interface WrittenCase {
  readonly settings: WrittenSettings;
  readonly expected: Expected;
}

const DEFAULTS: WrittenSettings = {
  entityId: ENTITY_ID,
  acsUrl: ACS_URL,
  idpEntityId: IDP,
  certificates: ['rsa.crt'],
  nowMs: NOW_MS,
  clockSkewSeconds: 180,
  requireSignedAssertion: false,
  requireSignedResponse: false,
  requireEncryptedAssertion: false,
  authnContext: [],
  attributeMapping: {},
  roleMapping: { rules: [{ group: 'platform-admins', role: 'owner' }], defaultRole: 'collaborator' },
};

export const certificateFile = (key: KeyName): string => `${key}.crt`;

export function writtenCase(fixture: FixtureCase): WrittenCase {
  const { trusted, ...changes } = fixture.settings ?? {};
  const settings = { ...DEFAULTS, ...changes, ...(trusted ? { certificates: trusted.map(certificateFile) } : {}) };
  if ('person' in fixture) {
    const { person, role = 'owner', statement = {} } = fixture;
    return { settings, expected: { person, role, statement } };
  }
  return { settings, expected: { code: fixture.code, ...(fixture.detail === undefined ? {} : { detail: fixture.detail }) } };
}
