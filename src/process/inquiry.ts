/** Questions to all hubs of this process: those of the streams, and the one that keeps everything. */
import type { Fronts } from '../front/front.ts';
import type { Hub } from '../hub/hub.ts';
import { type AnswerTo, answerOf, type Question } from '../hub/questions.ts';

/** `history`: the hub that keeps everything where none of the fronts' does. */
export const inquiry =
  (fronts: Fronts, history: Hub | undefined) =>
  async <Q extends Question>(question: Q): Promise<AnswerTo<Q>[]> => {
    const answers = await fronts.ask(question);
    return history === undefined ? answers : [...answers, answerOf(history, question)];
  };
