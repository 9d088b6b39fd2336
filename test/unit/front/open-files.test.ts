import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { OpenFiles } from '../../../src/front/open-files.ts';
import { eventually } from '../../support/wait.ts';

const openCount = (): number => readdirSync('/proc/self/fd').length;

const outOfFiles = (): never => {
  throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
};

test('open files - with none left the limit is what it was, and the spare file is given back', async (t) => {
  let read: () => number = () => 100;
  const before = openCount();
  const files = new OpenFiles(() => read());
  t.after(() => files.close());
  files.start();
  assert.deepEqual([files.limit, files.isOut, openCount()], [100, false, before + 1]);
  files.watch();
  read = outOfFiles;
  await eventually(() => files.isOut, { what: 'a look by itself' });
  assert.deepEqual([files.limit, openCount()], [100, before]);
  read = () => 200;
  await eventually(() => files.limit === 200);
  assert.deepEqual([files.isOut, openCount()], [false, before + 1]);
  files.close();
  assert.equal(openCount(), before);
});

test('open files - a limit that cannot be read is none', () => {
  const files = new OpenFiles(() => {
    throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
  });
  assert.deepEqual([files.limit, files.isOut], [Number.POSITIVE_INFINITY, false]);
});
