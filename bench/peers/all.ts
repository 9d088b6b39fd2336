/** The servers to compare with, in the order of the tables. */
import type { Peer } from '../support/peer.ts';
import { nchan } from './nchan.ts';

export const rivals: readonly Peer[] = [nchan];
