/** The series of `GET /metrics`. A label has values out of a closed list; no user, channel or event is ever one. */

export interface Series {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Where it is found among what was measured. */
  readonly from: string;
  readonly label?: string;
  readonly help: string;
}

const STREAMS: readonly Series[] = [
  {
    name: 'tidings_streams',
    type: 'gauge',
    from: 'streams',
    help: 'Open streams',
  },
  {
    name: 'tidings_streams_blocked',
    type: 'gauge',
    from: 'blocked',
    help: 'Streams whose client takes nothing now; -stall says for how long it may',
  },
  {
    name: 'tidings_streams_catching_up',
    type: 'gauge',
    from: 'catchingUp',
    help: 'Streams that came back and are still being given what they missed',
  },
  {
    name: 'tidings_streams_opened_total',
    type: 'counter',
    from: 'opened',
    help: 'Streams opened',
  },
  {
    name: 'tidings_streams_closed_total',
    type: 'counter',
    from: 'closed',
    label: 'reason',
    help: 'Streams that are over, by what ended them',
  },
  {
    name: 'tidings_streams_refused_total',
    type: 'counter',
    from: 'refused',
    label: 'reason',
    help: 'Streams that were not opened: a token that is no good or (token-time) has expired or is not valid yet, a limit, an issuer that does not answer, or a server that leaves',
  },
  {
    name: 'tidings_returns_total',
    type: 'counter',
    from: 'returns',
    label: 'result',
    help: 'Streams opened with a position: nothing was new, something was to be replayed, or there was a gap',
  },
  {
    name: 'tidings_gaps_total',
    type: 'counter',
    from: 'gaps',
    label: 'reason',
    help: 'Gaps that streams had, told as tidings.gap unless -notices=false',
  },
  {
    name: 'tidings_catch_up_seconds',
    type: 'histogram',
    from: 'catchUp',
    help: 'From the opening of a stream that came back until it was level with the others',
  },
];

const EVENTS: readonly Series[] = [
  {
    name: 'tidings_emits_total',
    type: 'counter',
    from: 'emits',
    label: 'result',
    help: 'Emits accepted, or refused by the code of the answer; an array that is refused counts once, and a body that cannot be read not at all',
  },
  {
    name: 'tidings_deliveries_total',
    type: 'counter',
    from: 'deliveries',
    help: 'Events written to streams: one event for three streams is three',
  },
  {
    name: 'tidings_delivered_bytes_total',
    type: 'counter',
    from: 'deliveredBytes',
    help: 'Bytes of the events written to streams',
  },
  {
    name: 'tidings_emit_to_send_seconds',
    type: 'histogram',
    from: 'emit',
    help: 'From when an emitted event was in the log until it was sent to the last of its streams that take bytes',
  },
  {
    name: 'tidings_flush_seconds',
    type: 'histogram',
    from: 'flush',
    help: 'How long one turn of writing to streams held the event loop',
  },
];

const LOG: readonly Series[] = [
  {
    name: 'tidings_channels',
    type: 'gauge',
    from: 'channels',
    help: 'Channels whose log holds something',
  },
  {
    name: 'tidings_log_entries',
    type: 'gauge',
    from: 'entries',
    help: 'Events kept for streams that come back',
  },
  {
    name: 'tidings_log_evictions_total',
    type: 'counter',
    from: 'evictions',
    label: 'reason',
    help: 'Events that went from the log of a channel: over -history, older than -history-ttl, over -memory',
  },
  {
    name: 'tidings_memory_used_bytes',
    type: 'gauge',
    from: 'memoryUsed',
    help: 'What the log takes of -memory',
  },
  {
    name: 'tidings_memory_budget_bytes',
    type: 'gauge',
    from: 'memoryBudget',
    help: '-memory',
  },
  {
    name: 'tidings_pending_bytes',
    type: 'gauge',
    from: 'pending',
    help: 'Bytes of events that open streams have still to be given; over -memory emits are refused',
  },
];

const PEOPLE: readonly Series[] = [
  {
    name: 'tidings_users',
    type: 'gauge',
    from: 'users',
    label: 'state',
    help: 'Users with a stream, and those whose last one ended less than -grace ago',
  },
  {
    name: 'tidings_receipts_waiting',
    type: 'gauge',
    from: 'receipts',
    help: 'Events with a receipt whose time is not up',
  },
  {
    name: 'tidings_webhook_events_total',
    type: 'counter',
    from: 'webhookEvents',
    label: 'result',
    help: 'Events for the receiver of webhooks: taken by it, or dropped: for want of room, which is told as a gap, or since it answered 410',
  },
  {
    name: 'tidings_webhook_gaps_total',
    type: 'counter',
    from: 'webhookGaps',
    help: 'Gaps that took the place of dropped events',
  },
  {
    name: 'tidings_webhook_requests_total',
    type: 'counter',
    from: 'webhookRequests',
    label: 'result',
    help: 'Requests to the receiver of webhooks: taken, or failed and tried again',
  },
  {
    name: 'tidings_webhook_events_waiting',
    type: 'gauge',
    from: 'webhookWaiting',
    help: 'Events that the receiver of webhooks has still to take, those behind a gap too',
  },
];

const PROCESS: readonly Series[] = [
  {
    name: 'tidings_ready',
    type: 'gauge',
    from: 'ready',
    help: '1 while /readyz says so',
  },
  {
    name: 'tidings_connections',
    type: 'gauge',
    from: 'connections',
    help: 'Open connections, those of the control port among them',
  },
  {
    name: 'tidings_connections_limit',
    type: 'gauge',
    from: 'connectionsLimit',
    help: 'Connections from which on the public port refuses more: the limit on open files, less 64',
  },
  {
    name: 'tidings_connections_refused_total',
    type: 'counter',
    from: 'connectionsRefused',
    label: 'listener',
    help: 'Connections closed at once for want of files',
  },
  {
    name: 'tidings_loop_delay_seconds',
    type: 'histogram',
    from: 'loopDelay',
    help: 'By how much a timer was late that runs each 100 ms while there are streams or events',
  },
  {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    from: 'cpu',
    help: 'Processor time, of the process and of the kernel for it',
  },
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    from: 'residentMemory',
    help: 'Memory of the process',
  },
  {
    name: 'process_max_fds',
    type: 'gauge',
    from: 'maxFiles',
    help: 'The limit on open files',
  },
  {
    name: 'process_start_time_seconds',
    type: 'gauge',
    from: 'startTime',
    help: 'When the process began, in Unix seconds',
  },
  {
    name: 'tidings_info',
    type: 'gauge',
    from: 'info',
    label: 'version',
    help: 'Always 1',
  },
];

export const CATALOGUE: readonly Series[] = [...STREAMS, ...EVENTS, ...LOG, ...PEOPLE, ...PROCESS];

/** Told with `-nats` only. */
export const CLUSTER_CATALOGUE: readonly Series[] = [
  {
    name: 'tidings_backplane_up',
    type: 'gauge',
    from: 'backplaneUp',
    help: 'With -nats: 1 while NATS answers this node; otherwise emits wait, and streams get nothing new',
  },
  {
    name: 'tidings_cluster_members',
    type: 'gauge',
    from: 'members',
    help: 'With -nats: nodes that this one knows to live, itself among them',
  },
  {
    name: 'tidings_cluster_unanswered_total',
    type: 'counter',
    from: 'unanswered',
    help: 'With -nats: questions of this node that not every node answered in time',
  },
];

/** The table in docs/operations.md. */
export function metricsMarkdown(): string {
  const rows = [...CATALOGUE, ...CLUSTER_CATALOGUE].map(
    ({ name, type, label, help }) =>
      `| \`${name}\` | ${type} | ${label === undefined ? '' : `\`${label}\``} | ${help} |`,
  );
  return ['| Series | Type | Label | What it says |', '| --- | --- | --- | --- |', ...rows].join(
    '\n',
  );
}
