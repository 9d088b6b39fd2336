/** Questions to all hubs of this process: those of the streams, and the one that keeps everything. Or of all. */
import type { Cluster } from '../cluster/cluster.ts';
import type { AskHere } from '../cluster/own-answers.ts';
import type { Ask } from '../control/asking.ts';
import type { Fronts } from '../front/front.ts';
import type { Hub } from '../hub/hub.ts';
import { answerOf } from '../hub/questions.ts';

/** `history`: the hub that keeps everything where none of the fronts' does. */
export const inquiry =
  (fronts: Fronts, history: Hub | undefined): AskHere =>
  async (question) => {
    const answers = await fronts.ask(question);
    return history === undefined ? answers : [...answers, answerOf(history, question)];
  };

/** Asks the hubs of all nodes, where there are several. */
export const askingAll =
  (here: AskHere, cluster: Cluster | undefined): Ask =>
  async (question) =>
    cluster === undefined ? { answers: await here(question) } : cluster.ask(question);
