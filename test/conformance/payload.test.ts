/**
 * What becomes of payloads (WHATWG HTML, 9.2.6). A raw payload goes out untouched but for its line
 * ends, without validation: that was promised to its emitters. So payloads that no client
 * would dispatch are accepted, and those with an `id:` or `retry:` of their own keep it; the id that
 * counts is the last line, ours.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitRaw, framesOf, openNews, post } from '../support/emitting.ts';
import { startServer, statsOf } from '../support/server.ts';
import type { Owner, SseClient } from '../support/sse-client.ts';

interface Sent {
  readonly stream: SseClient;
  readonly ids: readonly string[];
}

/** Emits the payloads, then one last event, and returns when that has arrived. */
async function sent(t: Owner, payloads: readonly string[]): Promise<Sent> {
  const running = await startServer(t);
  const stream = await openNews(t, running);
  const ids: string[] = [];
  for (const payload of [...payloads, 'event: last\ndata: last']) {
    const reply = await emitRaw(running, payload);
    assert.equal(reply.status, 200, `${JSON.stringify(payload)}: ${reply.text}`);
    ids.push((JSON.parse(reply.text) as { id: string }).id);
  }
  await stream.arrived(1);
  const { id } = await last(stream);
  assert.equal(id, ids.at(-1));
  return { stream, ids };
}

async function last(stream: SseClient) {
  for (;;) {
    const event = await stream.next();
    if (event.event === 'last') return event;
  }
}

const dataOf = ({ stream }: Sent) => stream.events.slice(0, -1).map((event) => event.data);

test('S-10 data - exactly one space after the colon is dropped by clients, none by us', async (t) => {
  const result = await sent(t, ['data: a', 'data:a', 'data:  a']);
  assert.deepEqual(dataOf(result), ['a', 'a', ' a']);
});

test('S-11 data - two lines are one event, however lines end', async (t) => {
  const payloads = ['data: a\ndata: b', 'data: a\rdata: b', 'data: a\r\ndata: b'];
  const result = await sent(t, payloads);
  assert.deepEqual(dataOf(result), ['a\nb', 'a\nb', 'a\nb']);
  assert.equal(result.stream.text.includes('\r'), false, 'one kind of line end in a stream');
});

test('S-11 data - the structured form writes LF only, whatever the text holds', async (t) => {
  const running = await startServer(t);
  const stream = await openNews(t, running);
  for (const data of ['a\nb', 'a\rb', 'a\r\nb'])
    await post(`${running.controlUrl}/emit/`, { userId: '*', channel: 'news', data });
  const events = await stream.arrived(3);
  assert.deepEqual(
    events.map((event) => event.data),
    ['a\nb', 'a\nb', 'a\nb'],
  );
  assert.equal(stream.text.includes('\r'), false);
});

test('S-12 data - any line ends at the end become the one blank line of the frame', async (t) => {
  const result = await sent(t, ['data: a\n\r\n', 'data: a\r\r', 'data: a\n\n\n\n\n', 'data: a']);
  assert.deepEqual(dataOf(result), ['a', 'a', 'a', 'a']);
  const frames = framesOf(result.stream).split(/(?<=\n\n)/);
  assert.deepEqual(
    frames.slice(0, 4),
    result.ids.slice(0, 4).map((id) => `data: a\nid: ${id}\n\n`),
  );
});

// Not validated by design: two events leave under one emit, and only the second carries the id, so
// a client that resumes from it has had both.
test('S-13 data - a blank line inside a payload goes out as it is; the id ends the last event', async (t) => {
  const { stream, ids } = await sent(t, ['data: a\n\ndata: b']);
  assert.deepEqual(
    stream.events.slice(0, 2).map(({ data, id }) => [data, id]),
    [
      ['a', undefined],
      ['b', ids[0]],
    ],
  );
});

test('S-14 data - fields without a value', async (t) => {
  assert.deepEqual(dataOf(await sent(t, ['data', 'data\ndata', 'data:'])), ['', '\n', '']);
});

// Not validated by design: 200, sent untouched, and dispatched by nobody.
test('S-15 data - a payload without a data field is accepted and harms nothing behind it', async (t) => {
  const payloads = ['event: x', ': c', '', 'hello', 'Data: x', 'data : x', ' data: x', '\n\n'];
  const result = await sent(t, payloads);
  assert.deepEqual(dataOf(result), []);
  for (const id of result.ids) assert.ok(result.stream.text.includes(`id: ${id}\n\n`), id);
});

test('S-16 event - a name holds for its own event only', async (t) => {
  const { stream } = await sent(t, ['event: x\ndata: 1', 'data: 2']);
  assert.deepEqual(
    stream.events.slice(0, 2).map(({ event, data }) => [event, data]),
    [
      ['x', '1'],
      [undefined, '2'],
    ],
  );
});

// Sent untouched by design; ours comes last and is the one that a client keeps.
test('S-17 id - a payload cannot set the id a client will resume from', async (t) => {
  const payloads = ['id: 9\ndata: x', 'id:\ndata: x', 'id: a\0b\ndata: x', 'id\ndata: x'];
  const { stream, ids } = await sent(t, payloads);
  assert.deepEqual(
    stream.events.map((event) => event.id),
    ids,
  );
});

// Sent untouched by design: whoever may emit may also say when clients come back.
test('S-18 retry - a payload keeps its own; what clients must ignore disturbs nothing', async (t) => {
  const payloads = ['retry: 5000\ndata: x', 'retry: 1e3\ndata: y', 'retry:\ndata: z'];
  const result = await sent(t, payloads);
  assert.deepEqual(dataOf(result), ['x', 'y', 'z']);
  assert.match(result.stream.text, /^retry: [1-3]\d{3}\n|^retry: 4000\n/);
  assert.equal(result.stream.retries[1], 5_000);
});

test('S-19 fields - unknown ones are sent as they are and dispatch nothing', async (t) => {
  const result = await sent(t, ['heartbeatTimeout: 1\ndata: x', 'foo\ndata: y']);
  assert.deepEqual(dataOf(result), ['x', 'y']);
});

test('S-20 event - error, open, end and __proto__ are names like any other', async (t) => {
  const names = ['error', 'open', 'end', 'message', '__proto__', 'constructor'];
  const { stream } = await sent(
    t,
    names.map((name) => `event: ${name}\ndata: x`),
  );
  assert.deepEqual(
    stream.events.slice(0, -1).map((event) => event.event),
    names,
  );
});

test('S-20 event - the structured form keeps the names of the server for the server', async (t) => {
  const { controlUrl, server } = await startServer(t);
  for (const event of ['tidings.gap', 'tidings.expiring', 'tidings.', 'x\ny', 'x\r', 'x\0']) {
    const body = { userId: '*', channel: 'news', data: '', event };
    const { status, text } = await post(`${controlUrl}/emit/`, body);
    assert.deepEqual([status, /FIELD_INVALID/.test(text)], [400, true], event);
  }
  assert.equal((await statsOf(server)).channels, 0);
});

// First in a payload it is part of the field name, which no client knows: untouched by design.
test('S-21 BOM - kept where an emitter put it, never first in a stream', async (t) => {
  const result = await sent(t, ['\uFEFFdata: x', 'data: a\uFEFFb', 'data: \uFEFF']);
  assert.deepEqual(dataOf(result), ['a\uFEFFb', '\uFEFF']);
  assert.ok(result.stream.text.startsWith('retry: '));
  assert.ok(result.stream.text.includes('\n\uFEFFdata: x\n'));
});

test('S-22 data - characters that look like line ends elsewhere are data here', async (t) => {
  const odd = ['a\0b', 'a\u2028b', 'a\u2029b', 'a\u0085b', 'a\vb', 'a\fb', 'a\u007fb', 'a\u001bb'];
  const raw = await sent(
    t,
    odd.map((text) => `data: ${text}`),
  );
  assert.deepEqual(dataOf(raw), odd);
  const running = await startServer(t);
  const stream = await openNews(t, running);
  for (const data of odd)
    await post(`${running.controlUrl}/emit/`, { userId: '*', channel: 'news', data });
  const events = await stream.arrived(odd.length);
  assert.deepEqual(
    events.map((event) => event.data),
    odd,
  );
});

test('S-23 UTF-8 - bytes that are none are refused, in both forms, and nothing goes out', async (t) => {
  const running = await startServer(t);
  const stream = await openNews(t, running);
  const emitBytes = async (type: string, ...parts: (string | number[])[]) => {
    const response = await fetch(`${running.controlUrl}/emit/`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: Buffer.concat(parts.map((part) => Buffer.from(part as string))),
    });
    return [response.status, ((await response.json()) as { error: string }).error];
  };
  const FORM = 'application/x-www-form-urlencoded';
  const JSON_TYPE = 'application/json';
  const head = 'userId=*&channel=news&payload=data: ';
  const json = '{"userId":"*","channel":"news","data":"';
  const MALFORMED = [400, 'BODY_MALFORMED'];
  for (const bytes of [
    [0xff, 0xfe],
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x9f],
  ]) {
    const percents = bytes.map((byte) => `%${byte.toString(16)}`).join('');
    assert.deepEqual(await emitBytes(FORM, head, bytes), MALFORMED, percents);
    assert.deepEqual(await emitBytes(FORM, head, percents), MALFORMED, percents);
    assert.deepEqual(await emitBytes(JSON_TYPE, json, bytes, '"}'), MALFORMED, percents);
  }
  const INVALID = [400, 'FIELD_INVALID'];
  for (const rest of ['\\ud800"}', '\\udc00\\ud800"}', '","event":"\\ud83d"}'])
    assert.deepEqual(await emitBytes(JSON_TYPE, json, rest), INVALID, rest);
  await emitRaw(running, 'data: \ufffd, meant');
  assert.equal((await stream.next()).data, '\ufffd, meant');
});
