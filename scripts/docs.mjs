/** Writes the tables of options and of metrics into their pages. `npm run docs` */
import { readFileSync, writeFileSync } from 'node:fs';
import { optionsMarkdown } from '../dist/src/config/options.js';
import { metricsMarkdown } from '../dist/src/metrics/catalogue.js';

function write(page, name, table) {
  const file = new URL(`../docs/${page}`, import.meta.url);
  const [start, end] = [`<!-- ${name}: written by \`npm run docs\` -->`, `<!-- /${name} -->`];
  const text = readFileSync(file, 'utf8');
  const before = text.slice(0, text.indexOf(start) + start.length);
  writeFileSync(file, `${before}\n${table}\n${text.slice(text.indexOf(end))}`);
}

write('reference.md', 'options', optionsMarkdown());
write('operations.md', 'metrics', metricsMarkdown());
