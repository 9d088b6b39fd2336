/** The servers to compare with, in the order in which tables name them. */
import type { Peer } from '../support/peer.ts';
import { centrifugo } from './centrifugo.ts';
import { mercure, mercureBolt } from './mercure.ts';
import { nchan, nchanOneChannel, nchanTwoWorkers } from './nchan.ts';
import { betterSse, nodeHttp } from './node.ts';
import { pushpin } from './pushpin.ts';

export const rivals: readonly Peer[] = [
  nchan,
  nchanOneChannel,
  nchanTwoWorkers,
  centrifugo,
  mercure,
  mercureBolt,
  pushpin,
  nodeHttp,
  betterSse,
];
