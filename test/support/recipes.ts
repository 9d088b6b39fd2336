/** The programs in docs/recipes, taken from their pages and run as they stand there but for addresses. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-ports.ts';
import type { Owner } from './sse-client.ts';
import { eventually } from './wait.ts';

export interface Recipe {
  /** The heading that it stands under. */
  readonly name: string;
  /** As written behind the fence: `php`, `js`, … */
  readonly language: string;
  readonly code: string;
}

const PAGES = fileURLToPath(new URL('../../../docs/recipes/', import.meta.url));
const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/** The addresses on the pages. */
const CONTROL = 'http://127.0.0.1:8001';

const BLOCK = /^## (.+)$|^```(\w+)\n([\s\S]*?)^```$/gm;

/** Every block of code of a page, with its heading. */
export function recipesOf(page: string): readonly Recipe[] {
  const recipes: Recipe[] = [];
  let name = '';
  for (const [, heading, language, code] of readFileSync(join(PAGES, page), 'utf8').matchAll(BLOCK))
    if (heading !== undefined) name = heading;
    else recipes.push({ name, language: language!, code: code! });
  return recipes;
}

/** @throws Error when the page does not have it, once */
export function recipe(page: string, name: string, language?: string): Recipe {
  const found = recipesOf(page).filter(
    (one) => one.name === name && (language === undefined || one.language === language),
  );
  if (found.length === 1) return found[0]!;
  throw new Error(`docs/recipes/${page} has ${found.length} blocks under "${name}", not one`);
}

/** Writes it to a file of its own, removed by `t.after`, and returns the path. */
export function fileOf(t: Owner, { code, language }: Recipe, options: FileOptions): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-recipe-'));
  t.after(() => rmSync(folder, { recursive: true }));
  // Removed as a link: what it leads to stays.
  if (language === 'js') symlinkSync(MODULES, join(folder, 'node_modules'));
  const { controlUrl, name, replace = {} } = options;
  let text = code.replaceAll(CONTROL, controlUrl);
  for (const [from, to] of Object.entries(replace)) {
    if (!text.includes(from)) throw new Error(`the recipe does not have ${from} any more`);
    text = text.replaceAll(from, to);
  }
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

export interface FileOptions {
  readonly controlUrl: string;
  /** Of the file. */
  readonly name: string;
  /** What else differs here from what the page says. */
  readonly replace?: Readonly<Record<string, string>>;
}

/** Runs a program that listens on port 3000 on a port of its own, with `env` besides ours; its URL. */
export async function startApplication(
  t: Owner,
  program: Recipe,
  { controlUrl, env = {}, replace = {} }: ApplicationOptions,
): Promise<string> {
  const port = await freePort();
  const onPort = { ...replace, 'listen(3000': `listen(${port}` };
  const file = fileOf(t, program, { controlUrl, name: 'app.mjs', replace: onPort });
  const child = spawn(process.execPath, [file], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill();
    await exited;
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually(() => fetch(url).catch(() => undefined), { what: 'the application' });
  return url;
}

export interface ApplicationOptions extends Omit<FileOptions, 'name'> {
  readonly env?: Readonly<Record<string, string>>;
}
