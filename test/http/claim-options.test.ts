/** Tokens whose names lie elsewhere than in `userId` and `channel`, and who may have made them, for whom. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { post } from '../support/emitting.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, sign } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const inAnHour = () => Math.floor(Date.now() / 1000) + 3_600;
const tokenOf = (claims: object) => sign(JSON.stringify({ exp: inAnHour(), ...claims }));

/** Asserts that a stream with the token is the user's, and on the channel. */
async function serves(
  t: Owner,
  running: RunningServer,
  opens: { token: string; user: string; channel: string },
) {
  const { token, user, channel } = opens;
  const stream = await openStream(t, running.eventsUrl, { headers: bearer(token) });
  assert.equal(stream.status, 200, `${user} on ${channel}`);
  const { text } = await post(`${running.controlUrl}/emit/`, {
    userId: user,
    channel,
    data: channel,
  });
  assert.equal(JSON.parse(text).streams, 1, `${user} on ${channel}`);
  assert.equal((await stream.next()).data, channel);
  stream.close();
}

async function refuses(t: Owner, { eventsUrl, log }: RunningServer, claims: object, claim: string) {
  const lines = () => log.filter(({ msg }) => msg === 'token refused');
  const before = lines().length;
  const stream = await openStream(t, eventsUrl, { headers: bearer(tokenOf(claims)) });
  assert.equal(stream.status, 401, JSON.stringify(claims));
  // Lines of other threads come a moment later.
  const line = await eventually(() => lines()[before], { what: 'a line in the log' });
  assert.equal(line?.['claim'], claim, JSON.stringify(claims));
}

const KEYCLOAK = {
  iss: 'https://id.example/realms/shop',
  aud: ['push', 'account'],
  sub: 'f:8a6e:ann',
  typ: 'Bearer',
  azp: 'web',
  realm_access: { roles: ['offline_access', 'buyers'] },
  resource_access: { push: { roles: ['orders', 'news'] } },
  scope: 'openid email',
};

test('claims - a token of Keycloak as it is', async (t) => {
  const args = ['-claim-user', 'sub', '-claim-channel', '/resource_access/push/roles'];
  const running = await startServer(t, [...args, '-issuer', KEYCLOAK.iss, '-audience', 'push']);
  const token = tokenOf(KEYCLOAK);
  for (const channel of ['orders', 'news'])
    await serves(t, running, { token, user: KEYCLOAK.sub, channel });
  await refuses(
    t,
    running,
    { ...KEYCLOAK, resource_access: { push: {} } },
    '/resource_access/push/roles',
  );
  await refuses(t, running, { ...KEYCLOAK, sub: undefined, userId: 'ann' }, 'sub');
});

const AUTH0 = {
  iss: 'https://shop.eu.auth0.com/',
  aud: ['https://push.example', 'https://shop.eu.auth0.com/userinfo'],
  sub: 'auth0|507f1f77bcf86cd799439020',
  'https://app.example/channels': ['orders'],
};

test('claims - a token of Auth0 as it is, with a claim that is named like an address', async (t) => {
  const args = ['-claim-user', 'sub', '-claim-channel', 'https://app.example/channels'];
  const rules = ['-issuer', AUTH0.iss, '-audience', 'https://push.example'];
  const running = await startServer(t, [...args, ...rules]);
  await serves(t, running, { token: tokenOf(AUTH0), user: AUTH0.sub, channel: 'orders' });
  await refuses(t, running, { ...AUTH0, iss: 'https://shop.eu.auth0.com' }, 'iss');
});

const FIREBASE = {
  iss: 'https://securetoken.google.com/shop',
  aud: 'shop',
  auth_time: 1,
  user_id: 'uid1',
  sub: 'uid1',
  firebase: { identities: {}, sign_in_provider: 'password' },
};

test('claims - a token of Firebase as it is, which names no channel', async (t) => {
  const args = ['-claim-user', 'sub', '-default-channel', 'news, all', '-audience', 'shop'];
  const running = await startServer(t, [...args, '-issuer', FIREBASE.iss]);
  const nothing = [{}, { channel: null }, { channel: [] }];
  for (const claims of nothing)
    for (const channel of ['news', 'all'])
      await serves(t, running, {
        token: tokenOf({ ...FIREBASE, ...claims }),
        user: 'uid1',
        channel,
      });
  await serves(t, running, {
    token: tokenOf({ ...FIREBASE, channel: 'own' }),
    user: 'uid1',
    channel: 'own',
  });
  for (const channel of ['', 0.5, {}, [''], [null], false])
    await refuses(t, running, { ...FIREBASE, channel }, 'channel');
});

test('claims - without -default-channel a token that names no channel is refused', async (t) => {
  const running = await startServer(t);
  for (const channel of [undefined, null, []])
    await refuses(t, running, { userId: 'ann', channel }, 'channel');
});

test('claims - iss and aud must be text, or hold it, letter for letter', async (t) => {
  const running = await startServer(t, ['-issuer', 'https://a.example,b', '-audience', 'x,y']);
  const base = { userId: 'ann', channel: 'news', iss: 'b', aud: 'y' };
  for (const claims of [{}, { iss: 'https://a.example' }, { aud: ['z', 'x'] }, { aud: ['x', 7] }])
    await serves(t, running, {
      token: tokenOf({ ...base, ...claims }),
      user: 'ann',
      channel: 'news',
    });
  for (const iss of [undefined, null, '', 'B', 'b ', ['b'], { b: 1 }, 'https://a.example/', 'a,b'])
    await refuses(t, running, { ...base, iss }, 'iss');
  for (const aud of [undefined, null, '', 'X', 'xy', [], ['z'], [['x']], { x: 'x' }, 7])
    await refuses(t, running, { ...base, aud }, 'aud');
});

test('claims - /token/ writes what the server expects', async (t) => {
  for (const [user, channel] of [
    ['sub', 'https://app.example/channels'],
    ['/user/id', '/user/channels'],
    ['__proto__', '/constructor/prototype'],
    ['/groups/0', '/a~1b/~0'],
  ] as const) {
    const args = [
      '-claim-user',
      user,
      '-claim-channel',
      channel,
      '-issuer',
      'us',
      '-audience',
      'push,x',
    ];
    const running = await startServer(t, args);
    const request = { userId: 'ann', channel: ['news', 'orders'], exp: 60 };
    const { status, text } = await post(`${running.controlUrl}/token/`, request);
    assert.equal(status, 200);
    const { iss, aud } = JSON.parse(Buffer.from(text.split('.')[1]!, 'base64url').toString());
    assert.deepEqual([iss, aud], ['us', 'push']);
    await serves(t, running, { token: text, user: 'ann', channel: 'orders' });
  }
});
