/** What the process measures beside its hubs, and how it all comes together. */
import type { Cluster } from '../cluster/cluster.ts';
import type { ControlApp } from '../control/control-app.ts';
import type { Connections } from '../front/connections.ts';
import type { Fronts } from '../front/front.ts';
import type { Hub } from '../hub/hub.ts';
import { type Measures, measuresOf, mergeMeasures, single } from '../hub/measures.ts';
import { type Exposition, render } from '../metrics/render.ts';
import type { Backplane } from '../nats/backplane.ts';
import { VERSION } from '../version.ts';

export interface Parts {
  readonly fronts: Fronts;
  /** Where no front has it: the hub that keeps everything. */
  readonly history: Hub | undefined;
  readonly control: ControlApp;
  readonly connections: Connections;
  readonly people: { readonly measures: Measures };
  /** Undefined without `-nats`. */
  readonly cluster: Cluster | undefined;
  readonly backplane: Backplane | undefined;
}

const MICROSECONDS = 1_000_000;

/** What is measured, as text in the format that `accept` asks for. */
export async function exposition(accept: string, parts: Parts): Promise<Exposition> {
  const { fronts, history, control, connections, people, cluster, backplane } = parts;
  const measures = [
    ...(await fronts.ask({ ask: 'measures' })),
    ...(history === undefined ? [] : [measuresOf(history)]),
    control.measures,
    people.measures,
    measuresOfConnections(connections),
    measuresOfProcess(),
    ...(cluster === undefined ? [] : [cluster.measures]),
    ...(backplane === undefined ? [] : [measuresOfBackplane(backplane)]),
  ];
  return render(mergeMeasures(measures), accept);
}

const measuresOfConnections = ({ count, publicRoom, files, refused }: Connections): Measures => ({
  values: {
    connections: single(count),
    connectionsLimit: single(publicRoom),
    connectionsRefused: { control: refused.of('control') },
    maxFiles: single(files),
  },
  times: {},
});

const measuresOfBackplane = ({ condition }: Backplane): Measures => ({
  values: { backplaneUp: single(Number(condition.ok)) },
  times: {},
});

function measuresOfProcess(): Measures {
  const { user, system } = process.cpuUsage();
  return {
    values: {
      cpu: single((user + system) / MICROSECONDS),
      residentMemory: single(process.memoryUsage.rss()),
      startTime: single(Date.now() / 1_000 - process.uptime()),
      info: { [VERSION]: 1 },
    },
    times: {},
  };
}
