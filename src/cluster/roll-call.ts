/** Whether users are on another node: all who are asked for in one turn of the event loop in one question. */
import type { Heard, Unheard } from '../hub/heard.ts';
import type { Presence } from '../presence/roster.ts';
import { MAX_USERS_ASKED } from './node-questions.ts';

/** What the other nodes say, one list each. */
export type AskStates = (users: readonly string[]) => Promise<Heard<readonly Presence[]>>;

interface Called {
  readonly states: ReadonlyMap<string, Presence>;
  readonly unheard: Unheard | undefined;
}

interface Batch {
  readonly users: Set<string>;
  readonly called: Promise<Called>;
}

export class RollCall {
  readonly #ask: AskStates;
  #batch: Batch | undefined;

  constructor(ask: AskStates) {
    this.#ask = ask;
  }

  /** Where each is, on the nodes that have answered; at most a thousand users. Never rejects. */
  async statesOf(users: readonly string[]): Promise<Heard<Presence>> {
    if (users.length === 0) return { answers: [] };
    const { states, unheard } = await this.#join(users).called;
    return { answers: users.map((user) => states.get(user) ?? 'offline'), unheard };
  }

  #join(users: readonly string[]): Batch {
    const open = this.#batch;
    if (open !== undefined && open.users.size + users.length <= MAX_USERS_ASKED) {
      for (const user of users) open.users.add(user);
      return open;
    }
    const own = new Set(users);
    const called = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      if (this.#batch === batch) this.#batch = undefined;
      return this.#call([...own]);
    });
    const batch: Batch = { users: own, called };
    this.#batch = batch;
    return batch;
  }

  async #call(users: readonly string[]): Promise<Called> {
    const { answers, unheard } = await this.#ask(users);
    const states = new Map<string, Presence>();
    for (const answer of answers)
      for (const [i, user] of users.entries())
        states.set(user, nearer(states.get(user), answer[i]));
    return { states, unheard };
  }
}

/** Of what two nodes say of a user, what counts. */
export function nearer(a: Presence = 'offline', b: Presence = 'offline'): Presence {
  if (a === 'online' || b === 'online') return 'online';
  return a === 'away' ? a : b;
}
