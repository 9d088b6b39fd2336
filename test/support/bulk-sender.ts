/** Sends lines in one request, as fast as the server takes them. */
import { connect, type Socket } from 'node:net';
import { eventually } from './wait.ts';

/** Lines that are written at a time. */
const LINES_AT_ONCE = 1_000;

export interface Upload {
  /** Of the control port, e.g. `http://127.0.0.1:8001`. */
  readonly url: string;
  readonly count: number;
  /** Line `index`, with its line end. */
  readonly line: (index: number) => string;
  readonly headers?: readonly string[];
}

/** The body of the answer. */
export async function sendLines({ url, count, line, headers = [] }: Upload): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  let answer = '';
  let isOver = false;
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  socket.on('close', () => {
    isOver = true;
  });
  socket.write(
    [
      'POST /emit/ HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/x-ndjson',
      'Transfer-Encoding: chunked',
      ...headers,
      '\r\n',
    ].join('\r\n'),
  );
  for (let at = 0; at < count && !isOver; at += LINES_AT_ONCE)
    await writeChunk(socket, linesFrom(at, { count, line }));
  socket.write('0\r\n\r\n');
  await eventually(() => isOver || /\r\n\r\n[\s\S]*\}\n/.test(answer), { withinMs: 120_000 });
  socket.destroy();
  return answer.slice(answer.indexOf('\r\n\r\n') + 4);
}

function linesFrom(at: number, { count, line }: Pick<Upload, 'count' | 'line'>): string {
  let text = '';
  for (let i = at; i < Math.min(count, at + LINES_AT_ONCE); i += 1) text += line(i);
  return text;
}

async function writeChunk(socket: Socket, text: string): Promise<void> {
  const chunk = `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
  if (socket.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}
