/** Writes the option table into the README. `npm run docs` */
import { readFileSync, writeFileSync } from 'node:fs';
import { optionsMarkdown } from '../dist/src/config/options.js';

const README = new URL('../README.md', import.meta.url);
const [start, end] = ['<!-- options: written by `npm run docs` -->', '<!-- /options -->'];
const text = readFileSync(README, 'utf8');
const before = text.slice(0, text.indexOf(start) + start.length);
writeFileSync(README, `${before}\n${optionsMarkdown()}\n${text.slice(text.indexOf(end))}`);
