/** Whether a broadcast to a full house makes the control port wait. */
import { publicationFor } from '../peers/tidings.ts';
import { withCleanup } from '../support/cleanup.ts';
import { type Counted, type Load, startLoad } from '../support/load.ts';
import type { Peer } from '../support/peer.ts';
import { type Result, type Scenario, type Settings, Sheet } from '../support/scenario.ts';
import { addRatios, noteFaults } from './common.ts';

const STREAMS = 15_000;
const PROBES_PER_SECOND = 100;
const SECONDS = 5;
const BROADCASTS_PER_SECOND = 2;
const P99 = 'answer p99';

const probe = (load: Load, seconds: number): Promise<Counted> =>
  load.run({ mode: 'rate', perSecond: PROBES_PER_SECOND, count: PROBES_PER_SECOND * seconds });

function record(sheet: Sheet, subject: string, counted: Counted): void {
  sheet.add(subject, 'answer p50', 'ms', counted.answers.p50Us / 1e3);
  sheet.add(subject, P99, 'ms', counted.answers.p99Us / 1e3);
}

/** The probes come from a process that holds no streams: it measures the server, not its own reading. */
function measure(sheet: Sheet, peer: Peer, seconds: number): Promise<void> {
  return withCleanup(async (owner) => {
    const running = await peer.start(owner);
    const house = await startLoad(owner, running, { streams: STREAMS });
    const prober = await startLoad(owner, running, {
      streams: 0,
      publication: publicationFor('nobody'),
    });
    await house.run({ mode: 'lockstep', count: 3 });
    record(sheet, `${peer.name}, idle`, await probe(prober, seconds));
    const count = BROADCASTS_PER_SECOND * seconds;
    const [busy, sent] = await Promise.all([
      probe(prober, seconds),
      house.run({ mode: 'rate', perSecond: BROADCASTS_PER_SECOND, count }),
    ]);
    record(sheet, `${peer.name}, during broadcasts`, busy);
    const full = { mode: 'rate', perSecond: PROBES_PER_SECOND, publishers: 4 } as const;
    const storm = await house.run({ ...full, count: PROBES_PER_SECOND * seconds });
    record(sheet, `${peer.name}, every emit a broadcast`, storm);
    noteFaults(sheet, peer.name, [sent, storm]);
  });
}

async function run({ runs, scale, ours, log }: Settings): Promise<Result> {
  const sheet = new Sheet();
  for (let round = 0; round < runs; round++) {
    for (const peer of ours) {
      await measure(sheet, peer, Math.max(1, Math.round(SECONDS * scale)));
      log(`${peer.name} round ${round + 1} done`);
    }
  }
  for (const { name } of ours) {
    addRatios(sheet, `${name}, during broadcasts`, `${name}, idle`, P99);
    addRatios(sheet, `${name}, every emit a broadcast`, `${name}, idle`, P99);
  }
  const [subject, over] = ['tidings, during broadcasts', 'tidings, idle'];
  const targets = [{ subject, over, metric: P99, atMost: 3 }];
  return { rows: sheet.rows(), targets, notes: [...sheet.notes] };
}

export const controlUnderBroadcast: Scenario = {
  name: 'control-under-broadcast',
  title: 'Answers of /emit/ while 15,000 streams get a broadcast',
  how:
    `/emit/ to a user without streams ${PROBES_PER_SECOND} times a second from a process of its own: with 15,000 idle streams, ` +
    `then with ${BROADCASTS_PER_SECOND} broadcasts a second to all of them. The last row makes each of the ${PROBES_PER_SECOND} calls a second a broadcast: ` +
    '1.5 million deliveries a second are asked for. Answers are timed from when the call was due, so waiting calls count. ' +
    'Where server, generator and prober share two cores, the prober also waits for a core.',
  run,
};
