/** Writes the option table into docs/reference.md. `npm run docs` */
import { readFileSync, writeFileSync } from 'node:fs';
import { optionsMarkdown } from '../dist/src/config/options.js';

const REFERENCE = new URL('../docs/reference.md', import.meta.url);
const [start, end] = ['<!-- options: written by `npm run docs` -->', '<!-- /options -->'];
const text = readFileSync(REFERENCE, 'utf8');
const before = text.slice(0, text.indexOf(start) + start.length);
writeFileSync(REFERENCE, `${before}\n${optionsMarkdown()}\n${text.slice(text.indexOf(end))}`);
