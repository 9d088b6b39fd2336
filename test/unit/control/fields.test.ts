import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFields } from '../../../src/control/fields.ts';
import { parseEmit, parseTokenRequest } from '../../../src/control/requests.ts';
import { TidingsError } from '../../../src/errors.ts';
import { Random } from '../../support/prng.ts';

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';
const MULTIPART = 'multipart/form-data; boundary=B';

const PARTS: readonly (string | readonly number[])[] = [
  ...['userId', 'channel', 'payload', 'data', 'event', 'exp', '=', '&', '=ann&', '=60', '%', '+'],
  ...['%C3%A9', '%E9', '%FF', '%ED%A0%80', '%C0%AF', '%EF%BF%BD', '[]', '[0]', '\ufeff', '\ufffd'],
  ...['{"', '":"', '","', '"}', '{', '}', '[', ']', ',', ':', '1e400', '42', 'null', '\\ud800'],
  ...[
    '\\u0000',
    '\\',
    '"',
    '\r\n',
    '--B',
    '--',
    '\r\n\r\n',
    'Content-Disposition: form-data; name=',
  ],
  ...[[0xe9], [0xff, 0xfe], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x9f], [0x00]],
];

const WHOLE: readonly [type: string, text: string][] = [
  [FORM, 'userId=ann&userId=J%C3%B6rg&channel[]=news&payload=data: x&exp=60'],
  [JSON_TYPE, '{"userId":["ann",42],"channel":"J\\u00f6rg","data":{"a":[1.10]},"exp":60}'],
  [
    MULTIPART,
    ['userId', 'channel', 'payload', 'exp']
      .map((name) => `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n60\r\n`)
      .concat('--B--\r\n')
      .join(''),
  ],
];

/** A body that is whole, or damaged in up to three places. */
const TOKENS = { maxTokenSeconds: 60, position: () => 'e-0' };

function damaged(text: string, random: Random): Buffer {
  let bytes = Buffer.from(text);
  for (let left = random.below(4); left > 0; left -= 1) {
    const at = random.below(bytes.length + 1);
    const part = random.pick(PARTS);
    const put = typeof part === 'string' ? Buffer.from(part) : Buffer.from([...part]);
    bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + random.below(3))]);
  }
  return bytes;
}

/** The names in a request; none when it is refused as it may be. */
function namesIn(contentType: string, body: Buffer): string[] {
  const fields = () => parseFields({ contentType, contentEncoding: '', query: '' }, body);
  const names: string[] = [];
  const read = (parse: () => readonly string[]) => {
    try {
      names.push(...parse());
    } catch (error) {
      assert.ok(error instanceof TidingsError && error.code !== 'INTERNAL', String(error));
    }
  };
  read(() => {
    const { to, channels } = parseEmit(fields());
    return [...channels, ...(typeof to === 'string' ? [to] : (to ?? []))];
  });
  read(() => {
    const { userId, channels } = parseTokenRequest(fields(), TOKENS);
    return [userId, ...channels];
  });
  return names;
}

test('fields - whatever bytes come, they are refused with a code, or no name is half decoded', () => {
  const random = new Random();
  let accepted = 0;
  for (let i = 0; i < 30_000; i += 1) {
    const [type, text] = random.pick(WHOLE);
    const body = random.below(20) === 0 ? damaged('', random) : damaged(text, random);
    try {
      for (const name of namesIn(type, body)) {
        assert.doesNotMatch(name, /\ufffd|\p{Cs}/u);
        accepted += 1;
      }
    } catch (cause) {
      const sent = JSON.stringify(body.toString('latin1'));
      throw new Error(`seed ${random.seed} (TEST_SEED): ${type}: ${sent}`, { cause });
    }
  }
  assert.ok(accepted > 5_000, `only ${accepted} names: the bodies are too broken to show anything`);
});
