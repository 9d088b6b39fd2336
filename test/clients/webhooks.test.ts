/** Python's official library of Standard Webhooks takes what is sent, and nothing that was changed on its way. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { startServer } from '../support/server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { leaveOut, PYTHON, runs } from '../support/tools.ts';
import { eventually } from '../support/wait.ts';
import { type Taken, WEBHOOK_SECRETS, webhookReceiver } from '../support/webhook-receiver.ts';

/** Says for each request of its input what it made of it. */
const SCRIPT = `
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
for line in sys.stdin:
    case = json.loads(line)
    try:
        told = Webhook(case["secret"]).verify(case["body"], case["headers"])
        print([event["type"] for event in told["events"]][0])
    except WebhookVerificationError:
        print("refused")
`;

type Case = Taken & { readonly secret: string };

function verdicts(cases: readonly Case[]): string[] {
  const input = cases.map((one) => `${JSON.stringify(one)}\n`).join('');
  const { stdout, stderr } = spawnSync(PYTHON, ['-c', SCRIPT], { input, encoding: 'utf8' });
  assert.equal(stderr, '');
  return stdout.trim().split('\n');
}

test("webhooks - Python's official library verifies both secrets, and refuses what was changed", async (t) => {
  if (!runs(PYTHON, '-c', 'import standardwebhooks'))
    return leaveOut(t, 'no Python with standardwebhooks');
  const { url, requests } = await webhookReceiver(t, WEBHOOK_SECRETS);
  const [present, previous] = WEBHOOK_SECRETS as [string, string];
  const both = ['-webhook-secret', present, '-previous-webhook-secret', previous];
  const { eventsUrl } = await startServer(t, ['-webhook', url, ...both]);
  await openStream(t, eventsUrl, { headers: bearer(tokenFor('änn')) });
  await eventually(() => requests.length > 0, { what: 'a webhook' });
  const { headers, body } = requests[0]!;
  const other = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
  const aDayAgo = String(Math.floor(Date.now() / 1_000) - 86_400);
  const cases: Case[] = [
    { headers, body, secret: present },
    { headers, body, secret: previous },
    { headers, body, secret: other },
    { headers, body: body.replace('änn', 'eve'), secret: present },
    { headers: { ...headers, 'webhook-id': 'msg_other' }, body, secret: present },
    { headers: { ...headers, 'webhook-timestamp': aDayAgo }, body, secret: present },
  ];
  const good = 'user.online';
  assert.deepEqual(verdicts(cases), [good, good, 'refused', 'refused', 'refused', 'refused']);
});
