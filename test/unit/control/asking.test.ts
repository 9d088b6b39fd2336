/** Answers that are put together from two questions, of which either may not be answered by all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ask, StatesOf } from '../../../src/control/asking.ts';
import { ExplainingDesk } from '../../../src/control/explaining.ts';
import { PresenceDesk } from '../../../src/control/presence.ts';
import type { Call, Route } from '../../../src/control/router.ts';
import type { Unheard } from '../../../src/hub/heard.ts';
import type { Presence } from '../../../src/presence/roster.ts';

const NOBODY = {
  account: { n: undefined, event: undefined, open: [], closed: [], refused: undefined },
  streams: { streams: [], next: undefined },
};

interface Given {
  readonly first?: Unheard;
  readonly second?: Unheard;
  readonly state?: Presence;
}

/** What a route answers when either question was heard so far. */
async function answerOf(
  path: '/explain/' | '/users/{id}/',
  { first, second, state = 'offline' }: Given,
): Promise<Record<string, unknown>> {
  const ask = (async ({ ask: what }: { ask: keyof typeof NOBODY }) => {
    return { answers: [NOBODY[what]], unheard: first };
  }) as unknown as Ask;
  const statesOf: StatesOf = async () => ({ answers: [state], unheard: second });
  const routes = [
    ...new ExplainingDesk({ ask, statesOf, historySeconds: 300 }).routes,
    ...new PresenceDesk({ ask, isAlone: false, statesOf, idOf: String }).routes,
  ];
  const route = routes.find((one) => one.path === path) as Extract<Route, { body: 'none' }>;
  const params = new Map([['id', 'ann']]);
  const query = path === '/explain/' ? 'userId=ann' : '';
  const { body } = await route.run({ head: {} as Call['head'], params, query });
  return JSON.parse(String(body)) as Record<string, unknown>;
}

for (const path of ['/explain/', '/users/{id}/'] as const)
  test(`asking - ${path} says so when a node did not answer one of its questions`, async () => {
    const whole = await answerOf(path, {});
    assert.equal(whole['complete'], undefined);
    for (const [given, answered] of [
      [{ first: { nodes: 3, answered: 2 } }, 2],
      [{ second: { nodes: 3, answered: 2 } }, 2],
      [{ first: { nodes: 3, answered: 2 }, second: { nodes: 3, answered: 1 } }, 1],
      [{ first: { nodes: 3, answered: 1 }, second: { nodes: 3, answered: 2 } }, 1],
    ] as const) {
      const told = await answerOf(path, given);
      assert.deepEqual([told['complete'], told['nodes'], told['answered']], [false, 3, answered]);
    }
  });

test('asking - one who is back between the questions is not said to be gone', async () => {
  for (const state of ['online', 'away'] as const)
    assert.equal((await answerOf('/explain/', { state }))['verdict'], 'away');
});
