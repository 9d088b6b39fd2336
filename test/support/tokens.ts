/** Tokens made with node:crypto alone, so that the server's JWT library is not its own judge. */
import { createHmac } from 'node:crypto';

export const SECRET = 'a-secret-for-tests-of-32-bytes-or-more';

export const base64url = (value: string | Buffer): string =>
  Buffer.from(value).toString('base64url');

export function sign(
  payloadJson: string | Buffer,
  secret = SECRET,
  header: object = { alg: 'HS256', typ: 'JWT' },
) {
  const head = `${base64url(JSON.stringify(header))}.${base64url(payloadJson)}`;
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
}

export interface TokenOptions {
  /** Seconds from now; default one hour. */
  readonly expiresIn?: number;
  readonly secret?: string;
  readonly claims?: object;
}

/** A token for `userId` on `channel` (one name or several). */
export function tokenFor(
  userId: string,
  channel: string | readonly string[] = 'news',
  { expiresIn = 3600, secret = SECRET, claims = {} }: TokenOptions = {},
): string {
  const exp = Math.floor(Date.now() / 1000) + expiresIn;
  return sign(JSON.stringify({ userId, channel, exp, ...claims }), secret);
}

export const bearer = (token: string): { authorization: string } => ({
  authorization: `Bearer ${token}`,
});
