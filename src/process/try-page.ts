/** The page of `-dev`, which shows what streams get. */

import { readFileSync } from 'node:fs';
import type { Fronts } from '../front/front.ts';

const FILE = new URL('../../../static/try.html', import.meta.url);

/** As HTML; `publicUrl` is where streams are. */
export function tryPage(publicUrl: string): string {
  // The page takes it as JavaScript, where a `<` could end the script.
  const settings = JSON.stringify({ eventsUrl: `${publicUrl}/events/` }).replaceAll('<', '\\u003c');
  return readFileSync(FILE, 'utf8').replace('__TIDINGS_CONFIG__', () => settings);
}

/** The page comes from the control port and opens its stream on the public one. */
export function allowTryPage(fronts: Fronts, controlPort: number | undefined): void {
  for (const host of ['127.0.0.1', 'localhost']) fronts.allow(`http://${host}:${controlPort}`);
}
