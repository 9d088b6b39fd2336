/** `GET /explain/`: what became of an event for a user, or why a user gets nothing. */
import { checkName } from '../auth/names.ts';
import { type Answer, json } from '../http/answer.ts';
import { gatherAccounts } from '../hub/account.ts';
import type { Presence } from '../presence/roster.ts';
import { textOf } from './fields.ts';
import type { Ask } from './presence.ts';
import { queryFields } from './queries.ts';
import { type Call, get, type Route } from './router.ts';
import { explain } from './verdict.ts';

export interface ExplainingOptions {
  readonly ask: Ask;
  readonly stateOf: (user: string) => Presence;
  /** Seconds that an event is retained at most. */
  readonly historySeconds: number;
}

export class ExplainingDesk {
  readonly #options: ExplainingOptions;

  constructor(options: ExplainingOptions) {
    this.#options = options;
  }

  get routes(): Route[] {
    return [get('/explain/', (call) => this.#explain(call))];
  }

  async #explain({ query }: Call): Promise<Answer> {
    const { ask, stateOf, historySeconds } = this.#options;
    const fields = queryFields(query);
    const user = checkName('userId', fields.values.get('userId'));
    const id = textOf(fields, 'id');
    const account = gatherAccounts(await ask({ ask: 'account', user, id }));
    const found = explain({ account, state: stateOf(user), historySeconds });
    return json(200, { user, ...(id === undefined ? {} : { id }), ...found });
  }
}
