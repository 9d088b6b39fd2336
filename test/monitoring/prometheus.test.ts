/** A real Prometheus scrapes the server as operators have it: in OpenMetrics, with exemplars and our alerts. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CATALOGUE } from '../../src/metrics/catalogue.ts';
import { openNews } from '../support/emitting.ts';
import { freePort } from '../support/free-ports.ts';
import { asFile, withoutPromtool } from '../support/promtool.ts';
import { temporaryFolder } from '../support/proxy.ts';
import { startServer } from '../support/server.ts';
import { eventually } from '../support/wait.ts';

const RULES = fileURLToPath(new URL('../../../deploy/alerts.yml', import.meta.url));
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CTL_TOKEN = 'sesame';
const START_MS = 20_000;

type Ask = (path: string) => Promise<unknown>;

/** Scrapes twice a second; asked by paths of its API. Stopped by `t.after`. */
async function startPrometheus(t: TestContext, target: string): Promise<Ask> {
  const port = await freePort();
  const folder = await temporaryFolder(t, 'prometheus');
  const config = asFile(t, 'prometheus.yml', {
    global: { scrape_interval: '500ms', evaluation_interval: '500ms' },
    rule_files: [RULES],
    scrape_configs: [
      {
        job_name: 'tidings',
        authorization: { credentials: CTL_TOKEN },
        static_configs: [{ targets: [target] }],
      },
    ],
  });
  const child = spawn(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--enable-feature=exemplar-storage',
    ],
    { stdio: 'ignore' },
  );
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return async (path) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`).catch(() => undefined);
    return response?.ok ? ((await response.json()) as { data: unknown }).data : undefined;
  };
}

interface Targets {
  readonly activeTargets: readonly { readonly health: string; readonly lastError: string }[];
}

test('prometheus - takes all series, the exemplar of a traced emit, and the alerts', {
  skip: withoutPromtool(),
}, async (t) => {
  const running = await startServer(t, ['-ctl-token', CTL_TOKEN]);
  await openNews(t, running);
  await fetch(`${running.controlUrl}/emit/`, {
    method: 'POST',
    headers: {
      traceparent: `00-${TRACE}-00f067aa0ba902b7-01`,
      authorization: `Bearer ${CTL_TOKEN}`,
    },
    body: new URLSearchParams({ userId: '*', channel: 'news', payload: 'data: x' }),
  });
  const ask = await startPrometheus(t, new URL(running.controlUrl).host);
  await eventually(
    async () => {
      const targets = (await ask('targets')) as Targets | undefined;
      const [target] = targets?.activeTargets ?? [];
      assert.notEqual(target?.health, 'down', target?.lastError);
      return target?.health === 'up';
    },
    { withinMs: START_MS, what: 'a scrape' },
  );
  const names = (await ask('label/__name__/values')) as string[];
  for (const { name, type } of CATALOGUE)
    assert.ok(names.includes(type === 'histogram' ? `${name}_bucket` : name), name);
  const exemplars = JSON.stringify(
    await eventually(async () => {
      const found = await ask(
        'query_exemplars?query=tidings_emit_to_send_seconds_bucket&start=0&end=9999999999',
      );
      return Array.isArray(found) && found.length > 0 ? found : undefined;
    }),
  );
  assert.ok(exemplars.includes(`"trace_id":"${TRACE}"`), exemplars);
  const rules = JSON.stringify(await ask('rules'));
  assert.ok(rules.includes('"TidingsSlow"') && !rules.includes('"health":"err"'), rules);
});
