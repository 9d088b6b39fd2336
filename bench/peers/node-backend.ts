/** What the peers written in Node have in common: tokens verified as ours are, bodies read, one port. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createVerifier } from 'fast-jwt';
import { SECRET } from '../../test/support/tokens.ts';

type Answer = (req: IncomingMessage, res: ServerResponse) => void;

const verify = createVerifier({
  key: SECRET,
  algorithms: ['HS256'],
  requiredClaims: ['exp'],
  cache: false,
});

/** The user of a verified token, or undefined. */
function userOf(req: IncomingMessage): string | undefined {
  try {
    const { userId } = verify(req.headers.authorization?.slice('Bearer '.length) ?? '');
    return userId;
  } catch {
    return undefined;
  }
}

/** Opens a stream for the user of the token, or answers 401. */
export const authorised =
  (open: (req: IncomingMessage, res: ServerResponse, user: string) => void): Answer =>
  (req, res) => {
    const user = userOf(req);
    if (user === undefined) res.writeHead(401).end();
    else open(req, res, user);
  };

/** Reads the text to publish and the user it is for, if for one; answers when `publish` has returned. */
export const publishing =
  (publish: (text: string, user: string | undefined) => void): Answer =>
  (req, res) => {
    let text = '';
    req.setEncoding('utf8').on('data', (part: string) => (text += part));
    req.on('end', () => {
      publish(text, req.url?.split('?to=')[1]);
      res.end('ok');
    });
  };

/** Streams by GET, publishing by POST, on the port given as the program's argument. */
export function serve(stream: Answer, publish: Answer): void {
  const server = createServer((req, res) =>
    req.method === 'POST' ? publish(req, res) : stream(req, res),
  );
  server.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 });
}
