/**
 * Accepted: responses as identity providers send them. The mock identity provider creates those of Okta, Entra ID and Google Workspace
 * and signs them with xml-crypto. `products.ts` contains the others.
 */
import { createHash } from 'node:crypto';
import { HABITS, type HabitName } from '../../../src/mock-idp/habits.ts';
import { ENTRA_GROUP_IDS, type Person as MockPerson } from '../../../src/mock-idp/people.ts';
import { makeResponse } from '../../../src/mock-idp/response.ts';
import type { AcceptedCase } from './case.ts';
import { ACS_URL, ENTITY_ID, type ExpectedPerson, minutes, NOW_MS, REQUEST_ID, sign } from './hand-made.ts';
import type { Keys } from './keys.ts';
import { PRODUCTS } from './products.ts';

/** Each product with the assertion signed, the response signed, and both. */
export function acceptedProducts({ rsa }: Keys): AcceptedCase[] {
  const certificate = rsa.certificatePem.replace(/-----[A-Z ]+-----|\s/g, '');
  return Object.values(PRODUCTS).flatMap((make): AcceptedCase[] => {
    const { name, idp, xml, responseId, assertionId, signature, person, settings } = make(certificate);
    const signed = (...ids: string[]) => ids.reduce((text, id) => sign(text, rsa.key, { ...signature, id }), xml);
    const accepted = (part: string, text: string): AcceptedCase => ({
      name: `${name}-${part}-signed`,
      xml: text,
      settings: { idpEntityId: idp, ...settings },
      person,
      statement: { assertionId, inResponseTo: REQUEST_ID },
    });
    return [
      accepted('assertion', signed(assertionId)),
      accepted('response', signed(responseId)),
      accepted('both', signed(assertionId, responseId)),
    ];
  });
}

/** Deterministic, so that writing the fixtures again changes only keys and signatures. */
function countedOctets(seed: string): (size: number) => Uint8Array {
  let count = 0;
  return (size) => createHash('sha256').update(`${seed} ${count++}`).digest().subarray(0, size);
}

/** The expected result for each user of the mock identity providers. */
const MOCK_PEOPLE: Readonly<Record<HabitName, (person: MockPerson) => Omit<AcceptedCase, 'name' | 'xml'>>> = {
  okta: ({ email, firstName, lastName, key }) => ({
    person: {
      identity: JSON.stringify(['NameID', email]),
      email,
      name: `${firstName} ${lastName}`,
      ...grouped({ olivia: ['platform-admins', 'engineering'], carl: ['engineering'] }[key]),
    },
  }),
  'entra-id': ({ email, firstName, lastName, key, objectId }) => ({
    person: {
      identity: JSON.stringify(['http://schemas.microsoft.com/identity/claims/objectidentifier', objectId]),
      email,
      name: `${firstName} ${lastName}`,
      ...(key === 'oscar'
        ? { groups: [], groupsState: 'over_limit' }
        : grouped(
            {
              olivia: [ENTRA_GROUP_IDS['platform-admins'], ENTRA_GROUP_IDS.engineering],
              carl: [ENTRA_GROUP_IDS.engineering],
              ada: [ENTRA_GROUP_IDS.engineering],
            }[key],
          )),
    },
    settings: { roleMapping: { rules: [{ group: ENTRA_GROUP_IDS['platform-admins'], role: 'owner' }], defaultRole: 'collaborator' } },
  }),
  'google-workspace': ({ email, firstName, lastName, key }) => ({
    person: {
      identity: JSON.stringify(['NameID', email]),
      email,
      name: `${firstName} ${lastName}`,
      ...grouped({ olivia: ['platform-admins', 'engineering'], carl: ['engineering'] }[key]),
    },
    settings: { attributeMapping: { groups: ['teams'] } },
  }),
};

const grouped = (groups: string[] | undefined): Pick<ExpectedPerson, 'groups' | 'groupsState'> =>
  groups ? { groups, groupsState: 'present' } : { groups: [], groupsState: 'absent' };

export function acceptedMockIdps({ rsa }: Keys): AcceptedCase[] {
  const base = { acsUrl: ACS_URL, spEntityId: ENTITY_ID, nowMs: NOW_MS, key: rsa };
  return Object.values(HABITS).flatMap((habit): AcceptedCase[] => {
    // Administrators of Google choose the name of the groups attribute. These responses have one that the settings must name.
    const attributesOf = (person: MockPerson) =>
      habit
        .attributes(person)
        .map((each) => (habit.name === 'google-workspace' && each.name === 'groups' ? { ...each, name: 'teams' } : each));
    const one = (
      person: MockPerson,
      what: string,
      { values, ...changes }: Partial<Parameters<typeof makeResponse>[0]> = {},
    ): AcceptedCase => {
      const name = `${habit.name}-${person.key}${what}`;
      const inResponseTo = REQUEST_ID;
      const expected = MOCK_PEOPLE[habit.name](person);
      return {
        ...expected,
        name,
        role: person.key === 'olivia' ? 'owner' : 'collaborator',
        xml: makeResponse({
          ...base,
          inResponseTo,
          habit: habit.name,
          person,
          randomBytes: countedOctets(name),
          values: { attributes: attributesOf(person), ...values },
          ...changes,
        }),
        settings: { ...expected.settings, idpEntityId: habit.issuer },
        statement: { inResponseTo: 'inResponseTo' in changes ? null : inResponseTo },
      };
    };
    const [olivia] = habit.people;
    if (!olivia) return [];
    return [
      ...habit.people.map((person) => one(person, '')),
      one(olivia, '-unsolicited', { inResponseTo: undefined }),
      one(olivia, '-assertion-signed', { signing: { assertion: true, response: false } }),
      one(olivia, '-response-signed', { signing: { assertion: false, response: true } }),
      one(olivia, '-both-signed', { signing: { assertion: true, response: true } }),
      one(olivia, '-an-hour-long', { values: { sessionNotOnOrAfter: minutes(60) } }),
    ];
  });
}
