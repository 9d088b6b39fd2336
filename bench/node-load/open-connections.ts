/** Which connections to a port still stand, as the kernel has them. */
import { readFileSync } from 'node:fs';

const ESTABLISHED = '01';
const CLOSE_WAIT = '08';

/** `0100007F:1F90` as `127.0.0.1:8080`: the address is in the byte order of the machine. */
function addressOf(hex: string): string {
  const [ip = '', port = ''] = hex.split(':');
  const bytes = Array.from(Buffer.from(ip, 'hex'));
  if (IS_LITTLE_ENDIAN) bytes.reverse();
  return `${bytes.join('.')}:${Number.parseInt(port, 16)}`;
}

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The local addresses of connections to `port` that nobody has reset or closed from the other side for good. */
export function openConnections(port: number): Set<string> {
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  const fields = rows.map((row) => row.trim().split(/\s+/));
  const open = fields.filter(
    ([, , remote = '', state]) =>
      remote.endsWith(`:${port.toString(16).toUpperCase().padStart(4, '0')}`) &&
      (state === ESTABLISHED || state === CLOSE_WAIT),
  );
  return new Set(open.map(([, local = '']) => addressOf(local)));
}
