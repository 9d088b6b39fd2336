import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Member, Members } from '../../../src/hub/members.ts';
import { Random } from '../../support/prng.ts';

function walked(members: Members<Member>): Member[] {
  const found: Member[] = [];
  const walk = members.walk();
  for (let one = walk.next(); one !== undefined; one = walk.next()) found.push(one);
  return found;
}

test('members - agrees with a plain list, whoever comes and goes', () => {
  const random = new Random(7);
  const users = ['ann', 'bob', 'cy'];
  const pool = Array.from({ length: 7 }, (_, i) => ({ user: users[i % users.length]! }));
  const members = new Members<Member>();
  const present = new Set<Member>();
  for (let step = 0; step < 2_000; step += 1) {
    const one = random.pick(pool);
    if (present.has(one) || random.next() < 0.3)
      assert.equal(members.remove(one), present.delete(one));
    else {
      members.add(one);
      present.add(one);
    }
    assert.deepEqual(new Set(walked(members)), present);
    assert.equal(walked(members).length, present.size);
    for (const user of users) {
      const own = [...present].filter((member) => member.user === user);
      assert.deepEqual(new Set(members.of(user)), new Set(own));
      assert.equal(members.countOf(user), own.length);
    }
  }
});

test('members - a walk goes on while they come and go', () => {
  const [ann, ann2, bob] = [{ user: 'ann' }, { user: 'ann' }, { user: 'bob' }];
  const members = new Members<Member>();
  for (const one of [ann, ann2, bob]) members.add(one);
  const walk = members.walk();
  assert.equal(walk.next(), ann);
  members.remove(ann2);
  members.remove(ann);
  assert.equal(walk.next(), bob);
  members.remove(bob);
  members.add(ann);
  assert.equal(walk.next(), undefined);
  assert.deepEqual(walked(members), [ann]);
});
