/** Clients in a process of their own, which can be stopped as a whole. Run by `fork`. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Receipt } from './ledger.ts';
import { LedgerClient, type LedgerClientOptions } from './ledger-client.ts';
import type { Owner } from './sse-client.ts';
import { eventually } from './wait.ts';

/** What passes to the other process: no functions. */
export type PlainOptions = Pick<LedgerClientOptions, 'url' | 'user' | 'channels' | 'since'>;

type Report = Readonly<{ open: number; lastIds: (string | undefined)[]; receipts?: Receipt[] }>;

const SELF = fileURLToPath(import.meta.url);

export class LedgerProcess {
  readonly process: ChildProcess;
  readonly #count: number;

  constructor(t: Owner, clients: readonly PlainOptions[]) {
    this.#count = clients.length;
    this.process = fork(SELF, [JSON.stringify(clients)], { execArgv: [] });
    t.after(async () => {
      if (this.process.exitCode !== null || this.process.signalCode !== null) return;
      const exited = once(this.process, 'exit');
      this.process.kill('SIGKILL');
      await exited;
    });
  }

  async #ask(what: 'state' | 'receipts'): Promise<Report> {
    const answer = once(this.process, 'message');
    this.process.send(what);
    const [report] = (await answer) as [Report];
    return report;
  }

  async opened(): Promise<void> {
    await eventually(async () => (await this.#ask('state')).open === this.#count, {
      withinMs: 30_000,
      what: 'all streams of the other process to be open',
    });
  }

  /** Waits until every client has had this one last, then returns the receipts. */
  async receipts(lastId: string): Promise<Receipt[]> {
    await eventually(async () => (await this.#ask('state')).lastIds.every((id) => id === lastId), {
      withinMs: 60_000,
      what: `${lastId} to reach the other process`,
    });
    return (await this.#ask('receipts')).receipts!;
  }
}

function serve(options: readonly PlainOptions[]): void {
  const clients = options.map((one) => new LedgerClient({ ...one, waitMs: () => 50 }));
  process.on('message', (what) => {
    const report: Report = {
      open: clients.filter((client) => client.isOpen).length,
      lastIds: clients.map((client) => client.lastId),
    };
    const receipts = clients.map(({ receipt }) => receipt);
    process.send!(what === 'receipts' ? { ...report, receipts } : report);
  });
  process.on('disconnect', () => process.exit());
}

if (process.argv[1] === SELF) serve(JSON.parse(process.argv[2]!) as PlainOptions[]);
