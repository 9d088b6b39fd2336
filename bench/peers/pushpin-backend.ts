/**
 * The backend that Pushpin asks once for each stream: it verifies the token and says which channels to hold the stream
 * on. `node pushpin-backend.js PORT`.
 */
import { authorised, serve } from './node-backend.ts';

serve(
  authorised((_req, res, user) => {
    res.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Grip-Hold': 'stream',
      'Grip-Channel': `chat, ${user}`,
    });
    res.end(':\n\n');
  }),
  (_req, res) => res.writeHead(404).end(),
);
