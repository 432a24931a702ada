/**
 * Sign-ins and changes by SCIM that overlap. Hooks run one of them as a whole before each operation of the other one in the store, so
 * every order of the two is tried without waiting.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NAME_ID_EMAIL } from '../../src/saml/names.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimAnswer, type ScimClient } from '../support/scim-client.ts';

const OPERATIONS = ['get', 'getUnique', 'find', 'count', 'peek', 'commit'] as const;
/** More than any request has. */
const MOST_OPERATIONS = 100;
/** CI tries the even operations on SQLite and the odd ones on Redis. `SAMLGATE_ROUNDS` makes both try all. */
const STEP = process.env.SAMLGATE_ROUNDS === undefined ? 2 : 1;

/**
 * Runs `work` before the operation with this number, from 0, of all that the gateway does in the store from now on.
 * @returns a function that stops the counting, waits for `work` and returns whether it has run
 */
function beforeOperation(gateway: TestGateway, number: number, work: () => Promise<unknown>): () => Promise<boolean> {
  const store = gateway.runtime.store as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const originals = OPERATIONS.map((name) => [name, store[name]] as const);
  const restore = () => {
    for (const [name, original] of originals) store[name] = original as (typeof store)[string];
  };
  let count = 0;
  let running: Promise<unknown> | undefined;
  for (const [name, original] of originals) {
    store[name] = async (...args) => {
      if (count++ === number) {
        restore();
        running = work();
        await running;
      }
      return original?.apply(store, args);
    };
  }
  return async () => {
    restore();
    await running;
    return running !== undefined;
  };
}

/** Runs both with `interrupting` before each operation of `interrupted` in turn, and checks the state after each. Returns the outcomes. */
async function tryEveryOrder(
  { gateway, first }: { readonly gateway: TestGateway; readonly first: number },
  round: (
    number: number,
  ) => Promise<{ interrupted: () => Promise<string>; interrupting: () => Promise<unknown>; check: (outcome: string) => Promise<void> }>,
): Promise<ReadonlySet<string>> {
  const outcomes = new Set<string>();
  for (let number = first; number < MOST_OPERATIONS; number += STEP) {
    const { interrupted, interrupting, check } = await round(number);
    const stop = beforeOperation(gateway, number, interrupting);
    const outcome = await interrupted();
    if (!(await stop())) return outcomes;
    outcomes.add(outcome);
    await check(outcome);
  }
  throw new Error(`A request has more than ${MOST_OPERATIONS} operations.`);
}

describe.each<'sqlite' | 'redis'>(['sqlite', 'redis'])('a sign-in and a change by SCIM that overlap, on %s', (store) => {
  let gateway: TestGateway;
  let acme: TestOrganization;
  let scim: ScimClient;
  let number = 0;
  const first = store === 'sqlite' ? 0 : STEP - 1;

  beforeAll(async () => {
    gateway = await startGateway({ store });
    acme = await makeTestOrganization(gateway);
    scim = await makeScimClient(gateway, acme);
    // Pins the identifier, so that sign-ins of unknown users are possible.
    await signIn('first@acme.example', new HttpBrowser());
  });
  afterAll(() => gateway.stop());

  const verdict = ({ status, code }: Page) => (status === 303 ? 'accepted' : (code ?? String(status)));
  const signIn = async (email: string, browser: HttpBrowser, nameId = email) => {
    const values = { nameId: { value: nameId, format: NAME_ID_EMAIL }, attributes: [{ name: 'email', values: [email] }] };
    return verdict(await acme.post(browser, acme.respond({ values } as never)));
  };
  const newEmail = () => `user${++number}@acme.example`;
  const create = async (email: string, more = {}): Promise<ScimAnswer> =>
    scim.call('POST', '/Users', { userName: email, emails: [{ value: email, primary: true }], ...more });
  const deactivate = (id: string) =>
    scim.call('PATCH', `/Users/${id}`, { Operations: [{ op: 'Replace', path: 'active', value: 'False' }] });
  const remove = (id: string) => scim.call('DELETE', `/Users/${id}`);
  const membersWith = async (email: string) =>
    (await gateway.api<{ items: { id: string; suspended: boolean }[] }>('GET', `/organizations/${acme.slug}/members?email=${email}`)).body
      .items;
  const meStatus = async (browser: HttpBrowser) => (await browser.request(`${gateway.url}/api/v1/me`)).status;

  /** A change after the session was written, but before the response was sent, lets the sign-in be answered. */
  const expectOutcomes = (outcomes: ReadonlySet<string>, expected: string) => {
    expect(outcomes).toContain(expected);
    expect([...outcomes].filter((outcome) => outcome !== expected && outcome !== 'accepted')).toEqual([]);
  };

  const CHANGES = {
    deactivation: deactivate,
    deletion: remove,
  };

  /** Users before the sign-in: invited, and with a session already. */
  const PREPARATIONS = {
    'has never signed in': async () => undefined,
    'has a session': async (email: string) => void (await signIn(email, new HttpBrowser())),
  };

  describe.each(Object.keys(CHANGES) as (keyof typeof CHANGES)[])('%s', (change) => {
    it.each(Object.keys(PREPARATIONS) as (keyof typeof PREPARATIONS)[])('of a user who %s leaves no session', async (preparation) => {
      await gateway.api('PATCH', `/organizations/${acme.slug}`, { provisioning: change === 'deletion' ? 'scim_required' : 'jit' });
      for (const interrupted of ['sign-in', 'SCIM'] as const) {
        const outcomes = await tryEveryOrder({ gateway, first }, async () => {
          const email = newEmail();
          const { id } = (await create(email)).body;
          await PREPARATIONS[preparation](email);
          const browser = new HttpBrowser();
          const signingIn = () => signIn(email, browser);
          const changing = async () => String((await CHANGES[change](id)).status);
          return {
            interrupted: interrupted === 'sign-in' ? signingIn : changing,
            interrupting: interrupted === 'sign-in' ? changing : signingIn,
            check: async () => {
              expect(await meStatus(browser)).toBe(401);
              expect((await membersWith(email)).filter(({ suspended }) => !suspended)).toEqual([]);
            },
          };
        });
        const refusals = change === 'deletion' ? 'member_not_provisioned' : 'member_suspended';
        expectOutcomes(outcomes, interrupted === 'sign-in' ? refusals : change === 'deletion' ? '204' : '200');
      }
    });
  });

  it('creation as deactivated leaves no session and one member', async () => {
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { provisioning: 'jit' });
    for (const interrupted of ['sign-in', 'SCIM'] as const) {
      const outcomes = await tryEveryOrder({ gateway, first }, async () => {
        const email = newEmail();
        const browser = new HttpBrowser();
        const signingIn = () => signIn(email, browser);
        const creating = async () => String((await create(email, { active: false })).status);
        return {
          interrupted: interrupted === 'sign-in' ? signingIn : creating,
          interrupting: interrupted === 'sign-in' ? creating : signingIn,
          check: async () => {
            expect([await meStatus(browser), await membersWith(email)]).toMatchObject([401, [{ suspended: true }]]);
          },
        };
      });
      expectOutcomes(outcomes, interrupted === 'sign-in' ? 'member_suspended' : '201');
    }
  });

  it('deactivation refuses another account with the email address of the user', async () => {
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { provisioning: 'jit' });
    const outcomes = await tryEveryOrder({ gateway, first }, async () => {
      const email = newEmail();
      const { id } = (await create(email)).body;
      const browser = new HttpBrowser();
      let isCreatedBefore = false;
      return {
        interrupted: () => signIn(email, browser, `other-${email}`),
        interrupting: async () => {
          isCreatedBefore = (await membersWith(email)).length > 1;
          await deactivate(id);
        },
        check: async (outcome) => {
          expect([outcome, await meStatus(browser)]).toEqual(isCreatedBefore ? ['accepted', 200] : ['member_suspended', 401]);
        },
      };
    });
    expectOutcomes(outcomes, 'member_suspended');
  });
});
