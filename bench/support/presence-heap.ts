/** `node --expose-gc presence-heap.js USERS`: prints what presence takes of the heap for each user, in bytes. */
import { Members } from '../../src/hub/members.ts';
import { Roster } from '../../src/presence/roster.ts';

const count = Number(process.argv[2]);

const copied = (text: string): string => Buffer.from(text).toString();

/** What a stream would be, as far as it matters; its user is a text that is there in any case. */
const streams = Array.from({ length: count }, (_, i) => ({ user: copied(`user-${i}`) }));

/** So that nothing of it is collected before it was measured. */
const kept: unknown[] = [];

function bytesOf(make: () => unknown): number {
  globalThis.gc!();
  const before = process.memoryUsage().heapUsed;
  kept.push(make());
  globalThis.gc!();
  return (process.memoryUsage().heapUsed - before) / count;
}

function rosterOf(nameOf: (user: string) => string): Roster {
  const roster = new Roster({ graceSeconds: 60 });
  for (const { user } of streams) roster.entered(nameOf(user));
  return roster;
}

function streamsByUser(): Members<(typeof streams)[number]> {
  const members = new Members<(typeof streams)[number]>();
  for (const stream of streams) members.add(stream);
  return members;
}

function allAway(): Roster {
  const roster = rosterOf((user) => user);
  for (const { user } of streams) roster.left(user);
  return roster;
}

const found = bytesOf(streamsByUser);
const known = bytesOf(() => rosterOf((user) => user));
const copies = bytesOf(() => rosterOf(copied));
const away = bytesOf(allAway);
if (kept.length !== 4) throw new Error('something was not measured');
console.log(
  JSON.stringify({
    'a user online': found + known,
    'of it the streams by user': found,
    'with threads': found + copies,
    'a user away': away,
  }),
);
