/** Frames are encoded when somebody needs them, or when they have stayed for a while; those that go before that, never. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hub } from '../../../src/hub/hub.ts';
import { MAX_UNENCODED, MAX_UNENCODED_BYTES } from '../../../src/log/unencoded.ts';
import { encodeEvent, LateFrame, stamp } from '../../../src/wire/frame.ts';
import { newHub } from '../../support/hub.ts';
import { Random } from '../../support/prng.ts';

/** Counts how often any of them is encoded. */
function counter() {
  const encoded: string[] = [];
  class Counted extends LateFrame {
    readonly #id: string;
    constructor(body: string, id: string) {
      super(body, id);
      this.#id = id;
    }
    override encode(): Buffer {
      encoded.push(this.#id);
      return super.encode();
    }
  }
  return {
    encoded,
    frame: (n: number, data = `${n}`) => new Counted(encodeEvent(data, ''), `e-${n}`),
  };
}

const textOf = (hub: Hub, channel: string): string =>
  Buffer.concat(
    hub.channels
      .get(channel)!
      .log.after(0)
      .map(({ bytes }) => bytes),
  ).toString();

test('unencoded - a flood on one channel encodes nothing, and what is kept of it is whole', () => {
  const { encoded, frame } = counter();
  const hub = newHub({ retention: { capacity: 1_000 } });
  for (let n = 1; n <= 10_000; n += 1)
    hub.append([{ n, to: undefined, channels: ['news'], bytes: frame(n) }]);
  assert.equal(encoded.length, 0);
  const expected = Array.from(
    { length: 1_000 },
    (_, i) => `data: ${9_001 + i}\nid: e-${9_001 + i}\n\n`,
  );
  assert.equal(textOf(hub, 'news'), expected.join(''));
  assert.equal(textOf(hub, 'news'), expected.join(''));
  assert.equal(encoded.length, 1_000, 'each once, however often it is read');
});

test('unencoded - what stays is encoded once, when as many newer ones have come', () => {
  const { encoded, frame } = counter();
  const hub = newHub();
  const count = 3 * MAX_UNENCODED;
  for (let n = 1; n <= count; n += 1)
    hub.append([{ n, to: 'ann', channels: [`c${n}`, 'all'], bytes: frame(n) }]);
  const ids = Array.from({ length: count - MAX_UNENCODED }, (_, i) => `e-${i + 1}`);
  assert.deepEqual(encoded, ids);
  assert.equal(textOf(hub, 'c7'), 'data: 7\nid: e-7\n\n');
  assert.equal(encoded.length, ids.length);
});

test('unencoded - their texts are bounded in bytes, and one that is larger waits for nothing', () => {
  const { encoded, frame } = counter();
  const hub = newHub();
  const share = MAX_UNENCODED_BYTES / 8;
  for (let n = 1; n <= 16; n += 1)
    hub.append([{ n, to: undefined, channels: ['news'], bytes: frame(n, 'x'.repeat(share - 50)) }]);
  assert.equal(encoded.length, 8);
  const large = frame(17, 'é'.repeat(MAX_UNENCODED_BYTES / 2));
  hub.append([{ n: 17, to: undefined, channels: ['news'], bytes: large }]);
  assert.equal(encoded.length, 17);
});

test('unencoded - what is for several users waits for nothing, so that their names go with it', () => {
  const { encoded, frame } = counter();
  const hub = newHub();
  const to = new Set(['ann', 'bob']);
  for (const [i, recipients] of ['ann', to, undefined, to].entries())
    hub.append([{ n: i + 1, to: recipients, channels: ['news'], bytes: frame(i + 1) }]);
  assert.deepEqual(encoded, ['e-2', 'e-4']);
});

test('late bytes - are those of the frame, and as many as was said, whatever the text', () => {
  const random = new Random();
  const parts = ['a', 'é', '€', '😀', '\ud800', '\udc00', '\n', '\r', '\u0000', ' '];
  for (let round = 0; round < 2_000; round += 1) {
    const data = Array.from({ length: random.below(20) }, () => parts[random.below(parts.length)]);
    const body = encodeEvent(data.join(''), 'x');
    const late = new LateFrame(body, 'e-17');
    const expected = stamp(body, 'e-17');
    const written = Buffer.alloc(late.length + 2);
    late.write(written, 1);
    assert.deepEqual(
      [late.length, late.encode()],
      [expected.length, expected],
      `seed ${random.seed}`,
    );
    assert.deepEqual(written, Buffer.concat([Buffer.alloc(1), expected, Buffer.alloc(1)]));
  }
});
