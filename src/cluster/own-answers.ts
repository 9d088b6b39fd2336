/** What this node answers, to itself and to others: one answer, whatever its number of threads. */
import { gatherAccounts } from '../hub/account.ts';
import { type ChannelRow, gatherChannels, gatherMembers } from '../hub/census.ts';
import { MAX_ROWS_PER_PAGE } from '../hub/pages.ts';
import {
  type AnswerTo,
  gatherStreams,
  type Question,
  type Selection,
  type SharedQuestion,
  type StreamList,
  type StreamsQuestion,
} from '../hub/questions.ts';

/** Asks the hubs of this process, the one that keeps everything last. */
export type AskHere = <Q extends Question>(question: Q) => Promise<AnswerTo<Q>[]>;

/** What this node says, as if it were the only one. */
export function ownAnswer<Q extends SharedQuestion>(
  node: string,
  ask: AskHere,
  question: Q,
): Promise<AnswerTo<Q>>;
export async function ownAnswer(
  node: string,
  ask: AskHere,
  question: SharedQuestion,
): Promise<AnswerTo<SharedQuestion>> {
  switch (question.ask) {
    case 'streams':
      return ownStreams(node, ask, question);
    case 'end':
      if (!isMeant(node, question.which)) return { count: 0 };
      return { count: sum((await ask(ofHub(question))).map(({ count }) => count)) };
    case 'takers':
      return [...new Set((await ask(question)).flat())];
    case 'account': {
      const account = gatherAccounts(await ask(question));
      return { ...account, open: account.open.map((stream) => ({ ...stream, node })) };
    }
    case 'channels':
      return gatherChannels(await ask(question), question);
    case 'members':
      return gatherMembers(await ask(question), question);
  }
}

/** The same for another node, which has the whole history itself: only streams are to be added to its own. */
export async function answerForOther<Q extends SharedQuestion>(
  node: string,
  ask: AskHere,
  question: Q,
): Promise<AnswerTo<SharedQuestion>> {
  const answer: AnswerTo<SharedQuestion> = await ownAnswer<SharedQuestion>(node, ask, question);
  if ('channel' in answer) return { ...answer, channel: withoutHistory(answer.channel) };
  if ('rows' in answer)
    return {
      rows: answer.rows.map(withoutHistory),
      next: answer.next && withoutHistory(answer.next),
    };
  return answer;
}

async function ownStreams(
  node: string,
  ask: AskHere,
  question: StreamsQuestion,
): Promise<StreamList> {
  const { afterNode = '', limit = MAX_ROWS_PER_PAGE } = question;
  // Nodes are told of in the order of their names.
  if (!isMeant(node, question.which) || node < afterNode) return { streams: [], next: undefined };
  const after = node === afterNode ? question.after : 0;
  const { streams, next } = gatherStreams(await ask({ ...ofHub(question), after }), limit);
  return { streams: streams.map((stream) => ({ ...stream, node })), next };
}

/** An id is that of a stream only together with its node. */
const isMeant = (own: string, { id, node }: Selection): boolean =>
  (id === undefined && node === undefined) || node === own;

const ofHub = <Q extends { readonly which: Selection }>(question: Q): Q => ({
  ...question,
  which: { ...question.which, node: undefined },
});

const withoutHistory = (row: ChannelRow): ChannelRow => ({ ...row, entries: 0, bytes: 0 });

const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0);
