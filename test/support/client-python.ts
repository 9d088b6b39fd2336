/** Python's `requests` with `sseclient-py`: the pair that reads a chunk only once its last line end is there. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  ClientRecord,
  type ConnectOptions,
  type LibraryClient,
  type RequestRecord,
} from './client-library.ts';
import { type ClientProcess, runClient } from './client-process.ts';
import type { Owner } from './sse-client.ts';

export interface PythonHandle extends LibraryClient, Omit<ClientProcess, 'close'> {
  /** What the script said last: `clean` when the loop over the events ended by itself. */
  ending(): string | undefined;
}

const CANDIDATES = ['.cache/python/bin/python', 'python3'];

const SCRIPT = `
import json, requests, sseclient, sys
def say(**line): print(json.dumps(line), flush=True)
url, token = sys.argv[1:]
answer = requests.get(url, headers={"Authorization": "Bearer " + token}, stream=True)
say(status=answer.status_code)
answer.raise_for_status()
try:
    for event in sseclient.SSEClient(answer).events():
        say(id=event.id, event=event.event, data=event.data)
    say(ending="clean")
except requests.exceptions.ChunkedEncodingError:
    say(ending="cut")
`;

/** A Python that has both packages, or undefined. */
export const findPython = (): string | undefined =>
  CANDIDATES.filter((path) => !path.includes('/') || existsSync(path)).find(
    (path) => spawnSync(path, ['-c', 'import requests, sseclient']).status === 0,
  );

interface Line {
  readonly status?: number;
  readonly ending?: string;
  readonly id?: string | null;
  readonly event?: string;
  readonly data?: string;
}

export function connectPython(
  t: Owner,
  { url, token }: ConnectOptions,
  python = 'python3',
): PythonHandle {
  const record = new ClientRecord(token);
  const request: RequestRecord = { lastEventId: null, status: 0 };
  record.requests.push(request);
  let ending: string | undefined;
  let rest = '';
  const onLine = ({ status, id, event = '', data = '', ...line }: Line) => {
    if (line.ending !== undefined) ending = line.ending;
    else if (status !== undefined) request.status = status;
    else record.take({ id, event, data });
  };
  const onOutput = (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(JSON.parse(line) as Line);
  };
  const program = runClient(t, [python, '-c', SCRIPT, url, token], onOutput);
  return { ...record, ...program, ending: () => ending };
}
