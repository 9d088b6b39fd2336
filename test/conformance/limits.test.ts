/** Large events: every byte of them arrives, up to the size that is refused as a whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitRaw, openNews, post } from '../support/emitting.ts';
import { append } from '../support/hub.ts';
import { OPENED, withoutOpening } from '../support/opening.ts';
import { connectRaw, dechunk, streamRequest } from '../support/raw-client.ts';
import { ONE_THREAD, type RunningServer, startServer } from '../support/server.ts';
import type { Owner } from '../support/sse-client.ts';
import { tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

/** Default of -max-body. */
const MAX_BODY_BYTES = 1_048_576;

/** What a form needs around the text of one data line. */
const FORM_HEAD = 'userId=*&channel=news&payload=data:%20';

/** Four bytes, so that a cut between any two of them is seen. */
const EMOJI = '\u{1f98a}';

const emitText = ({ controlUrl }: RunningServer, text: string) =>
  post(`${controlUrl}/emit/`, new URLSearchParams(`${FORM_HEAD}${text}`));

/** Names the first difference instead of printing both texts, which are large. */
function assertSame(got: string, wanted: string): void {
  if (got === wanted) return;
  const at = [...wanted].findIndex((char, i) => char !== got[i]);
  assert.fail(
    `${got.length} of ${wanted.length} characters; at ${at}: ${JSON.stringify(got.slice(at, at + 40))}`,
  );
}

test('S-24 size - one data line of any size arrives intact, with the next event behind it', async (t) => {
  const running = await startServer(t);
  const stream = await openNews(t, running);
  // 16,384 is the addon's cork buffer, 65,536 the limit that several clients have per line.
  const sizes = [1, 16_300, 16_369, 16_384, 16_385, 65_535, 65_537, 1_000_000];
  const texts = sizes.map((size) => 'abcdefghijklmnopqrs'.repeat(size / 19 + 1).slice(0, size));
  for (const text of texts) assert.equal((await emitText(running, text)).status, 200);
  const events = await stream.arrived(sizes.length, { withinMs: 20_000 });
  for (const [i, { data }] of events.entries()) assertSame(data, texts[i]!);
});

test('S-24 size - a body of exactly the limit is taken, one byte more is 413 and nobody hears of it', async (t) => {
  for (const limit of [1_024, MAX_BODY_BYTES]) {
    const running = await startServer(t, limit === MAX_BODY_BYTES ? [] : ['-max-body', `${limit}`]);
    const stream = await openNews(t, running);
    const largest = 'x'.repeat(limit - FORM_HEAD.length);
    // As text: URLSearchParams would write the space and the asterisk with other bytes.
    const send = (text: string) =>
      fetch(`${running.controlUrl}/emit/`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: `${FORM_HEAD}${text}`,
      });
    const tooLarge = await send(`${largest}x`);
    assert.equal(tooLarge.status, 413);
    assert.match(await tooLarge.text(), /"error":"BODY_TOO_LARGE"/);
    assert.equal((await send(largest)).status, 200);
    assertSame((await stream.next({ withinMs: 20_000 })).data, largest);
    assert.equal(stream.events.length, 1);
  }
});

test('S-25 size - 10,000 data lines are one event, in order, in both forms', async (t) => {
  const running = await startServer(t);
  const stream = await openNews(t, running);
  const lines = Array.from({ length: 10_000 }, (_, i) => `line ${i}`);
  await emitRaw(running, lines.map((line) => `data: ${line}`).join('\n'));
  await post(`${running.controlUrl}/emit/`, {
    userId: '*',
    channel: 'news',
    data: lines.join('\r\n'),
  });
  const [raw, structured] = await stream.arrived(2, { withinMs: 20_000 });
  assertSame(raw!.data, lines.join('\n'));
  assertSame(structured!.data, lines.join('\n'));
});

async function openWire(t: Owner, running: RunningServer) {
  const client = await connectRaw(t, running.publicUrl);
  client.send(streamRequest(tokenFor('ann')));
  await client.until(OPENED);
  return client;
}

// Frames and comments behind flushes, without the first bytes.
const withoutComments = (body: Buffer): string =>
  withoutOpening(body.toString('utf8')).replaceAll(/(?<=^|\n)(:\n)+/g, '');

test('S-26 UTF-8 - four-byte characters across every border of a write are the same bytes', async (t) => {
  const running = await startServer(t);
  const client = await openWire(t, running);
  const wanted: string[] = [];
  const emit = async (text: string) => {
    const reply = await emitRaw(running, `data: ${text}`);
    wanted.push(`data: ${text}\nid: ${(JSON.parse(reply.text) as { id: string }).id}\n\n`);
  };
  // Four paddings put each of the four bytes at each border of a frame that takes several writes.
  for (let padding = 0; padding < 4; padding += 1)
    await emit('p'.repeat(padding) + EMOJI.repeat(12_500));
  // And frames that end around the border of a single write.
  for (let size = 16_300; size < 16_400; size += 1)
    await emit('p'.repeat(size % 4) + EMOJI.repeat(size / 4) + 'q'.repeat(size % 7));
  const expected = wanted.join('');
  const arrived = () => withoutComments(dechunk(client.bytes)).length >= expected.length;
  await eventually(() => client.size >= Buffer.byteLength(expected) && arrived(), {
    withinMs: 20_000,
    what: 'all frames',
  });
  assertSame(withoutComments(dechunk(client.bytes)), expected);
});

test('S-26 UTF-8 - and when many small frames share a write', async (t) => {
  const running = await startServer(t, ONE_THREAD);
  const client = await openWire(t, running);
  const { hub } = running.server;
  // In one turn, so that they are cut into as few writes as possible; lengths without a pattern
  // common with that of the writes.
  const frames = Array.from(
    { length: 2_000 },
    (_, i) => `data: ${'p'.repeat(i % 4)}${EMOJI.repeat((i * 31) % 97)}\nid: x-${i + 1}\n\n`,
  );
  for (const [i, frame] of frames.entries())
    append(hub, { n: i + 1, channels: ['news'], to: undefined, bytes: Buffer.from(frame) });
  const expected = frames.join('');
  await eventually(() => client.size >= Buffer.byteLength(expected), { what: 'all frames' });
  await eventually(() => withoutComments(dechunk(client.bytes)).length >= expected.length);
  assertSame(withoutComments(dechunk(client.bytes)), expected);
});
