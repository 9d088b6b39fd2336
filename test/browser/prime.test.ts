/** A stream has a position from its first frame on, in every engine: nothing is lost before its first event. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absence, ENGINES, openPage } from '../support/browsers.ts';
import { onFixedPort, say } from '../support/client-scenarios.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { type PageReports, startPageReports } from '../support/page-reports.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { tokenFor } from '../support/tokens.ts';

interface Scene {
  readonly server: SpawnedServer;
  readonly proxy: FaultProxy;
  readonly reports: PageReports;
  readonly startAgain: () => Promise<SpawnedServer>;
}

const messages = ({ reports }: Scene) => reports.named('onmessage').map(({ data }) => data);

/** The opening notice, to those who listen for it. */
function seesOpening({ reports }: Scene): void {
  const [opening] = reports.named('tidings.open');
  const { heartbeat, expires } = JSON.parse(opening?.data ?? '') as Record<string, unknown>;
  assert.equal(heartbeat, 15);
  assert.ok(typeof expires === 'number' && expires > 3_500 && expires <= 3_600, `${expires}`);
  assert.match(opening?.id ?? '', /^[^-]+-0$/);
}

async function missesNothingBeforeItsFirstEvent(scene: Scene): Promise<void> {
  const { server, proxy, reports } = scene;
  proxy.cutAll();
  await say(server, 'while away');
  await reports.arrived('tidings.open', 2);
  await reports.arrived('onmessage', 1);
  await say(server, 'live');
  await reports.arrived('onmessage', 2);
  assert.deepEqual(messages(scene), ['while away', 'live']);
  assert.deepEqual(reports.named('tidings.gap'), []);
}

/** It comes back three times after a crash, and hears of the loss the first time only. */
async function isToldOnceOfACrash(scene: Scene): Promise<void> {
  const { server, proxy, reports, startAgain } = scene;
  const [, last] = await reports.arrived('onmessage', 2);
  await server.stop('SIGKILL');
  const next = await startAgain();
  for (const opened of [3, 4, 5]) {
    await reports.arrived('tidings.open', opened);
    await reports.arrived('tidings.gap', 1);
    if (opened < 5) proxy.cutAll();
  }
  await say(next, 'after');
  await reports.arrived('onmessage', 3);
  assert.deepEqual(messages(scene), ['while away', 'live', 'after']);
  const gaps = reports
    .named('tidings.gap')
    .map(({ data = '' }) => JSON.parse(data) as Record<string, unknown>);
  assert.deepEqual(
    gaps.map(({ after, reason }) => ({ after, reason })),
    [{ after: last?.id, reason: 'epoch' }],
  );
}

for (const engine of ENGINES) {
  test(`a stream cut before its first event - ${engine.name}`, async (t) => {
    const reason = absence(engine);
    if (reason) return t.skip(reason);
    const reports = await startPageReports(t);
    const address = await onFixedPort();
    const startAgain = () => spawnServer(t, [...address, '-query-token', '-cors', reports.origin]);
    const server = await startAgain();
    const proxy = await FaultProxy.open(t, server.publicUrl);
    const scene = { server, proxy, reports, startAgain };
    const stream = `${proxy.url}/events/?token=${tokenFor('ann')}`;
    await openPage(t, engine, reports.pageFor(stream));
    await reports.arrived('tidings.open', 1, { withinMs: 30_000 });
    seesOpening(scene);
    await missesNothingBeforeItsFirstEvent(scene);
    await isToldOnceOfACrash(scene);
  });
}
