/** How what is asked of all hubs becomes an answer that says when one was not heard. */
import { type Answer, type Headers, json } from '../http/answer.ts';
import type { Witness } from '../hub/account.ts';
import type { Heard, Unheard } from '../hub/heard.ts';
import type { AnswerTo, SharedQuestion } from '../hub/questions.ts';
import type { Presence } from '../presence/roster.ts';

/** Asks every hub, of all machines. */
export type Ask = <Q extends SharedQuestion>(question: Q) => Promise<Heard<AnswerTo<Q>>>;

/** Where these users are, in their order. */
export type StatesOf = (users: readonly string[]) => Promise<Heard<Presence>>;

/** A stream's id, as answers tell it and `POST /disconnect/` takes it: with its node where there are several. */
export const streamId = ({ id, node }: Pick<Witness, 'id' | 'node'>): string =>
  node === undefined ? String(id) : `${node}-${id}`;

/** Of two questions for one answer, the one that fewer have answered. */
export const lessHeard = (one: Unheard | undefined, other: Unheard | undefined) =>
  one === undefined || (other !== undefined && other.answered < one.answered) ? other : one;

/** Members of an answer that does not speak for all. */
export const incompleteness = (unheard: Unheard | undefined): object =>
  unheard === undefined ? {} : { complete: false, ...unheard };

/** The same in a header, for answers whose members are names. */
export const incompleteHeader = (unheard: Unheard | undefined): Headers =>
  unheard === undefined ? [] : [['Tidings-Nodes', `${unheard.answered}/${unheard.nodes}`]];

/** 200, for whom there is. */
export const heard = (value: object, unheard: Unheard | undefined): Answer =>
  json(200, { ...value, ...incompleteness(unheard) }, incompleteHeader(unheard));
