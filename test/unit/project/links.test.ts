/** What the documents link to is there: files, and the headings inside them. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
/** Not ours, or made by commands. */
const OTHERS = ['node_modules', 'dist', 'coverage', '.git', '.cache'];

function pagesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return OTHERS.includes(entry.name) ? [] : pagesIn(file);
    return entry.name.endsWith('.md') ? [file] : [];
  });
}

// Code is shown as it is: what looks like a link there is none.
const proseOf = (file: string): string =>
  readFileSync(file, 'utf8')
    .replace(/^```.*?^```/gms, '')
    .replace(/`[^`\n]*`/g, 'x');

const linksOf = (file: string): string[] =>
  [...proseOf(file).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);

/** The anchors that GitHub makes of headings. */
const anchorsOf = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

/** What is wrong with a link of this page; undefined when nothing is. */
function faultOf(page: string, link: string): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined;
  const [name = '', anchor] = link.split('#');
  const file = name === '' ? page : path.resolve(path.dirname(page), name);
  if (!existsSync(file)) return 'there is no such file';
  if (anchor === undefined || !statSync(file).isFile()) return undefined;
  return anchorsOf(file).includes(anchor) ? undefined : 'there is no such heading';
}

test('links - every document links to files and headings that are there', () => {
  const pages = pagesIn(ROOT);
  assert.ok(pages.includes(path.join(ROOT, 'README.md')));
  for (const page of pages)
    for (const link of linksOf(page))
      assert.equal(faultOf(page, link), undefined, `${link} in ${path.relative(ROOT, page)}`);
});

test('links - a file or a heading that is not there is found', () => {
  const page = path.join(ROOT, 'README.md');
  assert.equal(faultOf(page, 'nowhere.md'), 'there is no such file');
  assert.equal(faultOf(page, 'CHANGELOG.md#nowhere'), 'there is no such heading');
  assert.equal(faultOf(page, 'CHANGELOG.md#unreleased'), undefined);
});

test('links - every page of docs is reached from the README', () => {
  const reached = new Set([path.join(ROOT, 'README.md')]);
  for (const page of reached)
    for (const link of linksOf(page)) {
      const file = path.resolve(path.dirname(page), link.split('#')[0]!);
      if (file.endsWith('.md') && existsSync(file)) reached.add(file);
    }
  for (const page of pagesIn(path.join(ROOT, 'docs')))
    assert.ok(reached.has(page), path.relative(ROOT, page));
});
