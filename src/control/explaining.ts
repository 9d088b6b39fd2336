/** `GET /explain/`: what became of an event for a user, or why a user gets nothing. */
import { checkName } from '../auth/names.ts';
import type { Answer } from '../http/answer.ts';
import { gatherAccounts } from '../hub/account.ts';
import { type Ask, heard, lessHeard, type StatesOf } from './asking.ts';
import { textOf } from './fields.ts';
import { queryFields } from './queries.ts';
import { type Call, get, type Route } from './router.ts';
import { explain } from './verdict.ts';

export interface ExplainingOptions {
  readonly ask: Ask;
  readonly statesOf: StatesOf;
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
    const { ask, statesOf, historySeconds } = this.#options;
    const fields = queryFields(query);
    const user = checkName('userId', fields.values.get('userId'));
    const id = textOf(fields, 'id');
    const [known, where] = await Promise.all([ask({ ask: 'account', user, id }), statesOf([user])]);
    const account = gatherAccounts(known.answers);
    const found = explain({ account, state: where.answers[0]!, historySeconds });
    const unheard = lessHeard(known.unheard, where.unheard);
    return heard({ user, ...(id === undefined ? {} : { id }), ...found }, unheard);
  }
}
