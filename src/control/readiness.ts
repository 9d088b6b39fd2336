/** Whether the server is to be sent streams and emits, and if not, why. */
import { type Answer, json } from '../http/answer.ts';

/** What has to be so. */
export interface Condition {
  readonly name: string;
  readonly ok: boolean;
  /** Why it is not, for people; undefined when it is. */
  readonly reason?: string | undefined;
}

/** True while the server takes streams. */
export const SERVING = 'serving';

/** `draining` for one that leaves: it will not come back. `unready` for one that may. */
export function readinessOf(conditions: readonly Condition[]): Answer {
  const failing = conditions.filter(({ ok }) => !ok);
  if (failing.length === 0) return json(200, { status: 'ready', conditions });
  const isLeaving = failing.some(({ name }) => name === SERVING);
  return json(503, { status: isLeaving ? 'draining' : 'unready', conditions });
}

/** That tokens of an issuer can be verified. `hasKeys` undefined: there is no issuer to wait for. */
export function keyConditions(hasKeys: boolean | undefined): Condition[] {
  if (hasKeys === undefined) return [];
  const reason = hasKeys ? undefined : 'no key of the issuer (-jwks) is known: the log says why';
  return [{ name: 'keys', ok: hasKeys, reason }];
}
