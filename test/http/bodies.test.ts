/** Bodies and queries as the clients of many languages send them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { framesOf, openNews } from '../support/emitting.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';

type Headers = Record<string, string>;

/** POSTs the body to `/emit/`, or where the path says, as it is. */
async function send(
  { controlUrl }: RunningServer,
  body: string | Buffer | FormData | undefined,
  headers: string | Headers = {},
  path = '/emit/',
) {
  const response = await fetch(controlUrl + path, {
    method: 'POST',
    headers: typeof headers === 'string' ? { 'content-type': headers } : headers,
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return { status: response.status, text };
}

const streamOf = (t: Owner, { eventsUrl }: RunningServer, user: string) =>
  openStream(t, eventsUrl, { headers: bearer(tokenFor(user)) });

test('bodies - two names in Latin-1 are refused and do not become one user', async (t) => {
  const running = await startServer(t);
  const latin1 = (text: string) => Buffer.from(text, 'latin1');
  for (const name of ['Jos%E9', 'Jos%E8', latin1('José'), latin1('José'), 'Jos%EF%BF%BD']) {
    const body = Buffer.concat([
      Buffer.from('channel=news&exp=60&payload=x&userId='),
      Buffer.from(name),
    ]);
    for (const path of ['/token/', '/emit/']) {
      const { status, text } = await send(running, body, FORM, path);
      assert.equal(status, 400, `${name}: ${text}`);
    }
  }
  for (const field of ['userId', 'channel']) {
    const json = { userId: 'ann', channel: 'news', exp: 60, payload: 'x', [field]: 'Jos\ufffd' };
    for (const body of [JSON.stringify(json), JSON.stringify(json).replace('\ufffd', '\\ud800')])
      assert.equal((await send(running, body, JSON_TYPE)).status, 400, body);
  }
});

test('bodies - a charset other than UTF-8 is named, UTF-8 by any of its names is fine', async (t) => {
  const running = await startServer(t);
  const form = 'userId=ann&channel=news&payload=x';
  const json = '{"userId":"ann","channel":"news","payload":"x"}';
  for (const charset of ['iso-8859-1', 'windows-1252', '"UTF-16"', 'utf-7'])
    for (const [type, body] of [
      [FORM, form],
      [JSON_TYPE, json],
    ] as const) {
      const { status, text } = await send(running, body, `${type};x=y; Charset=${charset}`);
      assert.equal(status, 415);
      assert.ok(text.includes(charset.replaceAll('"', '')), text);
    }
  for (const charset of ['utf-8', 'UTF-8', '"utf-8"', 'utf8', 'us-ascii'])
    for (const [type, body] of [
      [FORM, form],
      [JSON_TYPE, json],
    ] as const)
      assert.equal(
        (await send(running, body, `${type} ; charset=${charset}`)).status,
        200,
        charset,
      );
});

test('bodies - a compressed one is refused by the name of its coding', async (t) => {
  const running = await startServer(t);
  const json = '{"userId":"ann","channel":"news","payload":"x"}';
  for (const coding of ['gzip', 'br', 'identity, gzip']) {
    const headers = { 'content-type': JSON_TYPE, 'content-encoding': coding };
    const { status, text } = await send(running, gzipSync(json), headers);
    assert.equal(status, 415);
    assert.ok(text.includes(`Content-Encoding ${coding} `), text);
  }
  const headers = { 'content-type': JSON_TYPE, 'content-encoding': 'Identity' };
  assert.equal((await send(running, json, headers)).status, 200);
});

test('bodies - a BOM in front and fields that are null do no harm', async (t) => {
  const running = await startServer(t);
  const ann = await streamOf(t, running, 'ann');
  const to = '"userId":"ann","channel":"news"';
  await send(running, `\ufeff{${to},"payload":"data: 1"}`, JSON_TYPE);
  await send(running, '\ufeffuserId=ann&channel=news&payload=data: 2', FORM);
  await send(running, `{${to},"payload":"data: 3","data":null,"event":null,"exp":null}`, JSON_TYPE);
  await send(running, `{${to},"payload":null,"data":"4","event":null}`, JSON_TYPE);
  await send(running, `{${to},"payload":null,"data":null,"event":"x"}`, JSON_TYPE);
  const events = await ann.arrived(5);
  assert.deepEqual(
    events.map(({ data }) => data),
    ['1', '2', '3', '4', 'null'],
  );
});

test('bodies - data in JSON goes out as it was written', async (t) => {
  const running = await startServer(t);
  const ann = await openNews(t, running);
  const values = [
    '{"id":9223372036854775807}',
    '[1e400,1.10,-0,1E2,9007199254740993]',
    '{"2":0,"1":0,"a":1,"a":2}',
    '{"text":"\\u00e9\\/\\ud83d"}',
    '{ "a" : [ ] }',
  ];
  for (const value of values)
    await send(running, `{"data":0,"userId":"ann","channel":"news", "data": ${value} }`, JSON_TYPE);
  const events = await ann.arrived(values.length);
  assert.deepEqual(
    events.map(({ data }) => data),
    values,
  );
});

test('bodies - data in JSON may be spread over lines', async (t) => {
  const running = await startServer(t);
  const ann = await openNews(t, running);
  for (const end of ['\n', '\r\n', '\r', '\n\n'])
    await send(
      running,
      `{"userId":"ann","channel":"news","data":{${end}"a":${end}["\\n"]}}`,
      JSON_TYPE,
    );
  for (const { data } of await ann.arrived(4)) assert.deepEqual(JSON.parse(data), { a: ['\n'] });
  assert.match(framesOf(ann), /^data: \{\ndata: "a":\ndata: \["\\n"\]\}\nid: [^\n]+\n\n/);
  assert.equal(ann.text.includes('\r'), false);
});

test('bodies - a number is a name by its digits', async (t) => {
  const running = await startServer(t);
  const { text: token } = await send(
    running,
    '{"userId":42,"channel":[7],"exp":60}',
    JSON_TYPE,
    '/token/',
  );
  const stream = await openStream(t, running.eventsUrl, { headers: bearer(token) });
  await send(running, '{"userId":42,"channel":7,"data":"number"}', JSON_TYPE);
  await send(running, '{"userId":["x",42],"channel":["7"],"data":"both"}', JSON_TYPE);
  await send(running, 'userId=42&channel=7&data=text', FORM);
  const events = await stream.arrived(3);
  assert.deepEqual(
    events.map(({ data }) => data),
    ['number', 'both', 'text'],
  );
});

test('bodies - arrays as PHP writes them are repeated fields', async (t) => {
  const running = await startServer(t);
  for (const [users, channels] of [
    ['userId[]=42&userId[]=43', 'channel[]=news'],
    ['userId[0]=42&userId[1]=43', 'channel[0]=news&channel[1]=old'],
    ['userId%5B0%5D=42&userId%5B7%5D=43', 'channel%5B%5D=news'],
    ['userId=42&userId[]=43', 'channel=old&channel[0]=news'],
  ]) {
    const streams = [await streamOf(t, running, '42'), await streamOf(t, running, '43')];
    assert.equal((await send(running, `${users}&${channels}&data=x`, FORM)).status, 200);
    for (const stream of streams) {
      assert.equal((await stream.next()).data, 'x', users);
      stream.close();
    }
    const path = `/token/`;
    assert.equal((await send(running, `userId[]=42&${channels}&exp=60`, FORM, path)).status, 200);
  }
  const deeper = await send(running, 'userId[0][a]=42&channel=news&data=x', FORM);
  assert.match(deeper.text, /userId is missing/);
  const twice = await send(running, 'userId=42&channel=news&data[]=x&data[]=y', FORM);
  assert.match(twice.text, /data must be given once/);
});

test('bodies - multipart forms, without files', async (t) => {
  const running = await startServer(t);
  const ann = await streamOf(t, running, 'ann');
  const form = new FormData();
  for (const [name, value] of [
    ['userId', 'bob'],
    ['userId', 'ann'],
    ['channel[0]', 'news'],
    ['payload', 'event: é\r\ndata: 1\r\ndata: 2'],
  ] as const)
    form.append(name, value);
  assert.equal((await send(running, form)).status, 200);
  const { event, data } = await ann.next();
  assert.deepEqual([event, data], ['é', '1\n2']);
  form.append('photo', new Blob(['x']), 'x.png');
  const refused = await send(running, form);
  assert.deepEqual([refused.status, /files are not taken/.test(refused.text)], [400, true]);
  const latin1 = '--B\r\nContent-Disposition: form-data; name="userId"\r\n\r\nJos\xe9\r\n--B--\r\n';
  const type = 'multipart/form-data; boundary=B';
  assert.match((await send(running, Buffer.from(latin1, 'latin1'), type)).text, /not UTF-8/);
  assert.match((await send(running, latin1, 'multipart/form-data')).text, /has no boundary/);
});

test('bodies - fields in the query are fields of the form, alone or beside a body', async (t) => {
  const running = await startServer(t);
  const ann = await streamOf(t, running, 'ann');
  const query = '/emit/?userId=ann&channel=news';
  const multipart = new FormData();
  multipart.append('data', '3');
  const replies = [
    await send(running, undefined, {}, `${query}&data=1`),
    await send(running, 'data=2', FORM, query),
    await send(running, multipart, {}, query),
    await send(running, '', JSON_TYPE, `${query}&payload=data%3A+4`),
    await send(running, 'userId=bob&data=5', FORM, query),
  ];
  assert.deepEqual(
    replies.map(({ status }) => status),
    [200, 200, 200, 200, 200],
  );
  const events = await ann.arrived(5);
  assert.deepEqual(
    events.map(({ data }) => data),
    ['1', '2', '3', '4', '5'],
  );
  const twice = await send(running, 'data=2', FORM, `${query}&data=1`);
  assert.match(twice.text, /data must be given once/);
  const json = await send(running, '{"userId":"ann","data":1}', JSON_TYPE, query);
  assert.match(json.text, /channel is missing/, 'JSON has its fields to itself');
  assert.match((await send(running, 'x', 'text/plain', query)).text, /MEDIA_TYPE_UNSUPPORTED/);
  assert.match((await send(running, undefined)).text, /userId is missing/);
});

test('bodies - a query that is not UTF-8 is refused, raw and percent-encoded', async (t) => {
  const running = await startServer(t);
  const encoded = await send(running, 'channel=news&data=x', FORM, '/emit/?userId=Jos%E9');
  assert.match(encoded.text, /BODY_MALFORMED/);
  const raw = await connectRaw(t, running.controlUrl);
  const head = 'POST /emit/?channel=news&data=x&userId=Jos\xe9 HTTP/1.1\r\nHost: localhost\r\n\r\n';
  raw.send(Buffer.from(head, 'latin1'));
  // Node's parser refuses such a target before we see it.
  assert.match(await raw.until(/message/), /^HTTP\/1\.1 400 .*(?:BODY|REQUEST)_MALFORMED/s);
});

test('bodies - the server is never at fault, whatever bytes it is sent', async (t) => {
  const running = await startServer(t);
  const types = [FORM, JSON_TYPE, 'multipart/form-data; boundary=B', 'application/json; charset=x'];
  const bytes = ['{', '"', '%', '=', '&', '--B', '\r\n', '\xe9', '\xff', '\\ud800', '[]', 'userId'];
  for (let i = 0; i < 400; i += 1) {
    const text = bytes.map((_, at) => bytes[(i * (at + 3) + (i >> 3)) % bytes.length]).join('');
    const { status } = await send(running, Buffer.from(text, 'latin1'), types[i % 4]!);
    assert.ok(status >= 400 && status < 500, `${status} for ${text}`);
  }
  assert.deepEqual(
    running.log.filter((line) => line['msg'] === 'request failed'),
    [],
  );
});
