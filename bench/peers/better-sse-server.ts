/** A server as better-sse's own guide has it, a channel for everyone and sessions by user: `node better-sse-server.js PORT`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createChannel, createSession, type Session } from 'better-sse';
import { authorised, publishing, serve } from './node-backend.ts';

const everyone = createChannel();
const sessionsOf = new Map<string, Set<Session>>();

function publish(text: string, user: string | undefined): void {
  if (user === undefined) everyone.broadcast(text);
  else for (const session of sessionsOf.get(user) ?? []) session.push(text);
}

async function open(req: IncomingMessage, res: ServerResponse, user: string): Promise<void> {
  const session = await createSession(req, res);
  const own = sessionsOf.get(user) ?? new Set();
  sessionsOf.set(user, own.add(session));
  session.once('disconnected', () => {
    own.delete(session);
    if (own.size === 0) sessionsOf.delete(user);
  });
  everyone.register(session);
}

serve(
  authorised((req, res, user) => void open(req, res, user)),
  publishing(publish),
);
