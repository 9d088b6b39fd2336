import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseOptions, resolveConfig } from '../../../src/config/config.ts';
import { helpText, OPTIONS, optionsMarkdown } from '../../../src/config/options.ts';
import { startWarnings } from '../../../src/process/start-warnings.ts';

const CONFIG_INVALID = { code: 'CONFIG_INVALID' };
const parse = (...argv: string[]) => parseOptions(argv, {});
const resolve = (argv: string[], env = {}) => resolveConfig(parseOptions(argv, env));
const refused = (argv: string[], message: RegExp, env = {}) =>
  assert.throws(() => resolve(argv, env), { ...CONFIG_INVALID, message });

test('config - the original command line in all four spellings', () => {
  for (const argv of [
    ['-bind', '1.2.3.4:1', '-secret', 's'],
    ['-bind=1.2.3.4:1', '-secret=s'],
    ['--bind', '1.2.3.4:1', '--secret', 's'],
    ['--bind=1.2.3.4:1', '--secret=s'],
  ]) {
    const { bind, secret, bindctl } = parse(...argv);
    assert.deepEqual([bind, secret, bindctl], ['1.2.3.4:1', 's', '127.0.0.1:8001']);
  }
});

test('config - values are taken as they are, whatever they look like', () => {
  for (const value of ['-abc', '--x', 'a=b=c', 'a b', '1e3', '0x10', 'é€', '\'"', '--no-dev']) {
    assert.equal(parse('-secret', value).secret, value);
    assert.equal(parse(`--secret=${value}`).secret, value);
  }
});

test('config - the last of a repeated flag wins, a flag wins over the environment', () => {
  assert.equal(parse('-stall', '5', '-stall', '6').stall, 6);
  const env = { TIDINGS_STALL: '7', TIDINGS_MAX_BODY: '2048', TIDINGS_DEV: 'true' };
  const values = parseOptions(['-stall', '8'], env);
  assert.deepEqual([values.stall, values['max-body'], values.dev], [8, 2_048, true]);
});

test('config - switches', () => {
  assert.equal(parse('-dev').dev, true);
  assert.equal(parse('-dev=false').dev, false);
  assert.throws(() => parse('-dev=perhaps'), CONFIG_INVALID);
  assert.equal(parse('-dev', 'false', '-stall', '5').dev, false);
  assert.throws(() => parse('-dev', 'perhaps'), CONFIG_INVALID);
  assert.equal(parse().notices, true);
  assert.equal(parse('-notices', 'false').notices, false);
  assert.equal(parse('-notices').notices, true);
  assert.equal(parseOptions([], { TIDINGS_NOTICES: '0' }).notices, false);
  assert.equal(parseOptions([], { TIDINGS_NOTICES: '' }).notices, true, 'empty: as if not given');
});

test('config - what is wrong is named in one sentence, a secret never', () => {
  refused(['-bogus'], /^unknown flag -bogus: see -help$/);
  refused(['-secert=hunter2'], /^unknown flag -secert: see -help$/);
  refused(['hunter2'], /^every argument must be a flag and its value: see -help$/);
  refused(['-notices', 'off'], /^-notices must be true or false, or stand alone$/);
  refused(['-notices', 'true', 'x'], /^every argument must be/);
  refused(['-constructor', 'x'], /unknown flag/);
  refused(['-stall'], /-stall needs a value/);
  refused(['-stall', '1s'], /-stall must be a whole number from 1 to 3600, got "1s"/);
  refused(['-stall', '0'], /from 1 to 3600/);
  refused(['-stall', '-5'], /got "-5"/);
  refused([], /TIDINGS_STALL must be/, { TIDINGS_STALL: 'x' });
  refused(['-log-level', 'loud'], /must be one of debug, info/);
});

test('config - addresses', () => {
  for (const bad of [
    '127.0.0.1',
    'x:',
    ':',
    '127.0.0.1:70000',
    '[::1]',
    '[bogus]:1',
    '::1:80',
    'unix:relative',
    `unix:/${'x'.repeat(200)}`,
  ])
    refused(['-secret', 's', '-bind', bad], /-bind /);
  assert.deepEqual(resolve(['-secret', 's', '-bind', '[::1]:80']).publicAddress, {
    kind: 'tcp',
    host: '::1',
    port: 80,
  });
  assert.deepEqual(resolve(['-secret', 's', '-bind', ':80']).publicAddress, {
    kind: 'tcp',
    host: '',
    port: 80,
  });
  assert.deepEqual(resolve(['-secret', 's', '-bind', 'unix:/run/t']).publicAddress, {
    kind: 'unix',
    path: '/run/t',
  });
});

test('config - a control listener that others can reach needs a token', () => {
  for (const open of [
    '0.0.0.0:8001',
    ':8001',
    '[::]:8001',
    '10.0.0.1:8001',
    'example.org:8001',
    '127.0.0.1.evil:1',
  ]) {
    refused(['-secret', 's', '-bindctl', open], /set -ctl-token/);
    assert.ok(resolve(['-secret', 's', '-ctl-token', 't', '-bindctl', open]));
  }
  for (const closed of ['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', 'localhost:1', 'unix:/run/x'])
    assert.ok(resolve(['-secret', 's', '-bindctl', closed]));
});

test('config - a control token must survive in a header', () => {
  for (const bad of ['pässword', 'a b', 'a\nb', '\u0000'])
    refused(['-secret', 's', '-ctl-token', bad], /-ctl-token must be printable ASCII/);
});

test('config - origins are exact, of any scheme, or all below a host', () => {
  for (const bad of [
    'https://a.example/',
    'a.example',
    'https://a.example/x',
    'https://a.example:443',
    'https://user@a.example',
    '*,https://a.example',
    'null',
    'https://A.example',
    'https://*',
    'https://*.com',
    'https://*a.example.com',
    'https://a.*.example.com',
    'https://*.*.example.com',
    'https://*.example.com/',
    'https://*.example.com:443',
    'https://*.EXAMPLE.com',
    'https://*.1.2.3',
    'https://*..example.com',
    '*.example.com',
    '*://a.example',
    'file://host',
    'file:///',
    'capacitor://',
    'capacitor://localhost/',
    'capacitor:localhost',
    'Tauri://localhost',
    'chrome-extension://*',
    'tauri://a b',
  ])
    refused(['-secret', 's', '-cors', bad], /^-cors takes exact origins such as/);
  for (const good of [
    'https://a.example, http://b.example:8080',
    'capacitor://localhost,ionic://localhost,tauri://localhost',
    'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    'safari-web-extension://5A9C6C5D-7F5C-4D3E-9B1F-0D7A2C1E4F5B',
    'app://obsidian.md',
    'http://[2001:db8::1]:8080',
    'https://*.example.com',
    'http://*.localhost:3000',
    '*',
  ])
    assert.deepEqual(resolve(['-secret', 's', '-cors', good]).cors, good.split(/, ?/));
});

test('config - headers of preflights are names', () => {
  for (const bad of ['*', 'a b', 'x:y', 'é', 'a,b c'])
    refused(
      ['-secret', 's', '-cors-headers', bad],
      /^-cors-headers takes names of request headers/,
    );
  const values = resolve(['-secret', 's', '-cors-headers', 'traceparent, Sentry-Trace,,']);
  assert.deepEqual(values['cors-headers'], ['traceparent', 'Sentry-Trace']);
});

test('config - one source of keys', () => {
  refused(['-secret', 's', '-secret-file', '/x'], /-secret and -secret-file exclude each other/);
  refused(['-secret', 's', '-public-key', '/x'], /exclude each other/);
  for (const [flag, value] of [
    ['audience', ''],
    ['audience', ' , '],
    ['issuer', ''],
    ['nats', ''],
  ])
    refused([`-${flag}`, value!], new RegExp(`^-${flag} must not be empty: name at least one`));
  refused([], /^TIDINGS_AUDIENCE must not be empty/, { TIDINGS_AUDIENCE: '' });
  refused(['-webhook', 'https://u:p@h/'], /^-webhook must hold no name or password/);
  refused(['-secret', ''], /^-secret must not be empty$/);
  refused(['-ctl-token='], /^-ctl-token must not be empty$/);
  refused(['-secret', ' \t\n'], /the secret is empty/);
  refused([], /^TIDINGS_SECRET must not be empty$/, { TIDINGS_SECRET: '' });
  refused(['-secret', '-----BEGIN PUBLIC KEY-----\nx'], /the secret is a key file/);
  refused(['-secret', '  -----BEGIN PUBLIC KEY-----\nx'], /the secret is a key file/);
  refused(['-secret', '{"kty":"oct","k":"x"}'], /the secret is a key file/);
  refused(
    ['-secret-file', '/does/not/exist'],
    /-secret-file: cannot read \/does\/not\/exist, there is no such file \(ENOENT\)/,
  );
  refused(['-cert', '/x', '-secret', 's'], /-cert and -key must be given together/);
  assert.equal(resolve([]).keys, undefined);
});

test('config - servers of NATS, with one user or none', () => {
  const nats = (servers: string, ...more: string[]) => ['-secret', 's', '-nats', servers, ...more];
  const good = [
    'nats://a:1,tls://b:1',
    'nats://u:p%40%2C@a:1,tls://u:p%40%2C@[::1]:2',
    'nats://token@a',
  ];
  for (const servers of good) assert.deepEqual(resolve(nats(servers)).nats, servers.split(','));
  for (const bad of [
    'a:1',
    'http://a',
    'nats://a/b',
    'nats://u:p@b@a',
    'nats://:@a',
    'nats://%zz@a',
    'nats://a?b',
  ])
    refused(nats(bad), /^-nats takes servers such as nats:/);
  refused(nats('nats://u:p@a,nats://b'), /^-nats names several users/);
  refused(nats('nats://u:p@a', '-nats-creds', '/x'), /leave one of them out$/);
  refused(nats('nats://a', '-history-ttl', '29'), /^-history-ttl must be at least 30 with -nats/);
  assert.equal(resolve(nats('nats://a', '-history-ttl', '30'))['history-ttl'], 30);
  for (const flag of ['nats-creds', 'nats-ca', 'nats-cert', 'nats-key'])
    refused(['-secret', 's', `-${flag}`, '/x'], new RegExp(`^-${flag} has no use without -nats`));
});

test('config - a key from a flag leaves none from the environment, which alone must be one too', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'secret');
  writeFileSync(file, 'from a file');
  const fromFile = { kind: 'secret', secret: 'from a file' };
  const env = { TIDINGS_SECRET: 'env' };
  assert.deepEqual(resolve(['-secret-file', file], env).keys, fromFile);
  assert.deepEqual(resolve(['-secret', 'flag'], { TIDINGS_SECRET_FILE: '/no' }).keys, {
    kind: 'secret',
    secret: 'flag',
  });
  assert.deepEqual(
    resolve(['-public-key', file], { ...env, TIDINGS_PREVIOUS_SECRET: 'old' }).keys,
    { kind: 'public-key', pem: 'from a file' },
  );
  assert.deepEqual(resolve(['-secret', 'flag'], { TIDINGS_PREVIOUS_SECRET: 'old' }).keys, {
    kind: 'secret',
    secret: 'flag',
    previousSecret: 'old',
  });
  refused([], /-secret and -secret-file exclude each other/, { ...env, TIDINGS_SECRET_FILE: file });
});

test('config - variables that only look like those of -help and -version do not count', () => {
  const env = { TIDINGS_VERSION: '1.2.3', TIDINGS_HELP: 'yes' };
  const { version, help } = parseOptions([], env);
  assert.deepEqual([version, help], [false, false]);
  assert.equal(parseOptions(['-version'], env).version, true);
  assert.doesNotMatch(optionsMarkdown(), /TIDINGS_(VERSION|HELP)/);
});

test('config - a file that cannot be read says why, whichever flag names it', () => {
  for (const flag of ['-secret-file', '-public-key']) {
    refused([flag, tmpdir()], new RegExp(`^${flag}: cannot read .*, it is a folder \\(EISDIR\\)$`));
    refused([flag, '/no/such'], /there is no such file \(ENOENT\)$/);
    refused([flag, '/etc/passwd/x'], /there is no such file \(ENOTDIR\)$/);
  }
});

test('config - a secret of bytes that are no text is refused: they would all become one', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'secret');
  writeFileSync(file, Buffer.alloc(32, 0xe9));
  refused(
    ['-secret-file', file],
    /^the secret is not text in UTF-8: write its bytes as hex or base64/,
  );
});

test('config - hosts are names, lists may have blanks and empty items', () => {
  for (const bad of ['https://a.example', 'a.example:8001', '*.a.example', 'a b', '[::1]', '.a'])
    refused(['-secret', 's', '-ctl-hosts', bad], /^-ctl-hosts takes names of hosts/);
  const hosts = resolve(['-secret', 's', '-ctl-hosts', ' tidings ,, Push_1.example,'])['ctl-hosts'];
  assert.deepEqual(hosts, ['tidings', 'Push_1.example']);
  for (const flag of ['-cors', '-cors-headers', '-ctl-hosts', '-trust-proxy'])
    assert.ok(resolve(['-secret', 's', flag, ' , ,']), flag);
});

const ONE_THREAD = { threads: '1', threadCount: 1 };

test('start warnings - threads that cannot be had', () => {
  const resolve = (...args: string[]) =>
    resolveConfig(parseOptions(['-secret', 'x'.repeat(32), ...args], {}));
  const warned = (...args: string[]) => startWarnings(resolve(...args) as never, {}).join();
  assert.match(
    warned('-threads', '2', '-bind', 'unix:/tmp/x'),
    /^streams are served by one thread/,
  );
  assert.equal(warned('-threads', '1', '-bind', 'unix:/tmp/x'), '');
  assert.equal(warned('-threads', 'auto', '-bind', 'unix:/tmp/x'), '');
  assert.equal(warned('-threads', '2'), '');
  assert.ok(resolve('-threads', 'auto').threadCount >= 1);
  for (const bad of ['0', '65', 'x', '-1', '1.5'])
    assert.throws(() => resolve('-threads', bad), /-threads must be a whole number from 1 to 64/);
});

test('start warnings - secrets that begin or end with what nobody sees, and strange variables', () => {
  const long = 'x'.repeat(32);
  const warned = (secret: string, env = {}, previousSecret?: string) =>
    startWarnings(
      {
        keys: {
          kind: 'secret',
          secret,
          ...(previousSecret === undefined ? {} : { previousSecret }),
        },
        ...ONE_THREAD,
      },
      env,
    );
  assert.deepEqual(warned(long), []);
  for (const secret of [`${long}\n`, `${long}\r\n`, ` ${long}`, `${long}\t`, `\uFEFF${long}`])
    assert.match(warned(secret).join(), /^the secret begins or ends with a line end or blank/);
  assert.match(warned(long, {}, 'old\n').join(), /^the previous secret begins or ends/);
  assert.match(warned('short').join(), /shorter than 32 bytes/);
  const env = { TIDINGS_SECERT: 'hunter2', TIDINGS_BIND: 'x', TIDINGS_VERSION: '1', OTHER: 'x' };
  assert.deepEqual(warned(long, env), [
    'no option has these variables, which are left out: TIDINGS_SECERT',
  ]);
  assert.deepEqual(
    startWarnings(
      { keys: { kind: 'public-key', pem: '' }, ...ONE_THREAD },
      { TIDINGS_A: '', TIDINGS_B: '' },
    ),
    ['no option has these variables, which are left out: TIDINGS_A, TIDINGS_B'],
  );
});

test('config - a secret from a file or the environment, and its predecessor', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'secret');
  writeFileSync(file, 'from a file\r\n');
  assert.deepEqual(resolve(['-secret-file', file]).keys, { kind: 'secret', secret: 'from a file' });
  assert.deepEqual(resolve([], { TIDINGS_SECRET: 'env' }).keys, { kind: 'secret', secret: 'env' });
  const rotated = resolve(['-secret', 'new', '-previous-secret', 'old']).keys;
  assert.deepEqual(rotated, { kind: 'secret', secret: 'new', previousSecret: 'old' });
  refused(['-public-key', file, '-previous-secret', 'x'], /-previous-secret has no meaning/);
});

test('config - proxies are addresses and networks', () => {
  for (const bad of ['proxy', '10.0.0.0/33', '10.0.0.0/x', '10.0.0.0/', '::1/129'])
    refused(['-secret', 's', '-trust-proxy', bad], /-trust-proxy takes addresses and networks/);
});

test('config - help and the documented table name every option', () => {
  for (const name of Object.keys(OPTIONS)) {
    assert.ok(helpText().includes(`\n  -${name}`), name);
    assert.ok(optionsMarkdown().includes(`| \`-${name}\` |`), name);
  }
});

test('config - claims: pointers are checked, and two claims cannot be one', () => {
  const claims = (user: string, channel: string) => [
    ...['-secret', 's', '-claim-user', user],
    ...['-claim-channel', channel],
  ];
  refused(claims('/a~2', 'c'), /-claim-user: in a pointer ~ is written as ~0 and \/ as ~1/);
  for (const taken of ['exp', 'aud', '/iss', '/from/x'])
    refused(claims('sub', taken), /-claim-channel cannot be .*means something else/);
  for (const [user, channel] of [
    ['a', 'a'],
    ['a', '/a'],
    ['/a', '/a/b'],
    ['/a/b', 'a'],
  ] as const)
    refused(claims(user, channel), /two claims, neither within the other/);
  refused(
    ['-secret', 's', '-default-channel', 'news,a\u200bb'],
    /-default-channel: a name must not/,
  );
  refused(['-secret', 's', '-default-channel', 'a/*,*'], /-default-channel: .* a lone \*/);
  const { tokens } = resolve(['-secret', 's', '-default-channel', 'a,b,a', '-issuer', 'x, y']);
  assert.deepEqual(
    [tokens.defaultChannels, tokens.issuers],
    [
      ['a', 'b'],
      ['x', 'y'],
    ],
  );
});

test('config - -jwks: https unless this machine, whose tokens or for whom, and no other key', () => {
  const jwks = (url: string, ...more: string[]) => ['-jwks', url, '-issuer', 'x', ...more];
  for (const url of [
    'https://id.example/keys',
    'https://id.example/realms/a/certs?x=1',
    'http://127.0.0.1:8080/keys',
    'http://127.9.9.9/',
    'http://[::1]:1/',
    'http://localhost/keys',
  ])
    assert.deepEqual(resolve(jwks(url)).keys, { kind: 'jwks', url: new URL(url).href });
  for (const url of ['http://id.example/keys', 'http://10.0.0.1/', 'http://localhost.example/'])
    refused(jwks(url), /-jwks must be https, or anybody on the way could put in keys/);
  for (const url of ['keys', 'id.example/keys', 'file:///etc/keys', 'ftp://x/', 'data:,x', '/keys'])
    refused(jwks(url), /-jwks must be an address such as https/);
  for (const url of ['https://ann:hunter2@id.example/', 'https://ann@id.example/'])
    refused(jwks(url), /^-jwks must not hold a name or a password$/);
  refused(['-jwks', 'https://x.example/'], /-jwks needs -issuer or -audience/);
  assert.ok(resolve(['-jwks', 'https://x.example/', '-audience', 'y']));
  refused(jwks('https://x.example/', '-secret', 's'), /-secret and -jwks exclude each other/);
  refused(jwks('https://x.example/', '-public-key', 'f'), /-public-key and -jwks exclude each/);
  refused(jwks('https://x.example/', '-previous-secret', 's'), /no meaning with -jwks/);
  // A flag leaves no room for keys from the environment.
  const env = { TIDINGS_SECRET: 's', TIDINGS_PREVIOUS_SECRET: 'p', TIDINGS_PUBLIC_KEY: 'f' };
  assert.equal(resolve(jwks('https://x.example/'), env).keys?.kind, 'jwks');
  assert.equal(
    resolve(['-secret', 's'], { TIDINGS_JWKS: 'https://x.example/' }).keys?.kind,
    'secret',
  );
});
