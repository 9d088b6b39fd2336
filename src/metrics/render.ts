/** Measures as text that Prometheus reads. */
import {
  Counter,
  Gauge,
  Histogram,
  type OpenMetricsContentType,
  type PrometheusContentType,
  Registry,
} from 'prom-client';
import { type Exemplar, TIME_BOUNDS, type Times } from '../hub/histogram.ts';
import type { Measures } from '../hub/measures.ts';
import { CATALOGUE, CLUSTER_CATALOGUE, type Series } from './catalogue.ts';

export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

/** In the format of OpenMetrics, which has exemplars, when `accept` names it. */
export async function render(measures: Measures, accept: string): Promise<Exposition> {
  const isOpen = accept.toLowerCase().includes('application/openmetrics-text');
  const registry = new Registry<OpenMetricsContentType | PrometheusContentType>();
  registry.setContentType(
    isOpen ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE,
  );
  for (const series of CATALOGUE) register(registry, series, measures);
  for (const series of CLUSTER_CATALOGUE)
    if (series.from in measures.values) register(registry, series, measures);
  return { contentType: registry.contentType, text: await registry.metrics() };
}

/** Either of the library's registries. */
interface Registering {
  registerMetric(metric: Counter | Gauge | Histogram): void;
}

function register(registry: Registering, series: Series, { values, times }: Measures): void {
  const { type, from, name, help, label } = series;
  const of = { name, help, labelNames: label === undefined ? [] : [label], registers: [] };
  if (type === 'histogram') {
    const taken = times[from];
    if (taken !== undefined) registry.registerMetric(new TakenTimes(series, taken));
    return;
  }
  const metric = type === 'counter' ? new Counter(of) : new Gauge(of);
  for (const [value, n] of Object.entries(values[from] ?? {}))
    metric.inc(label === undefined ? {} : { [label]: value }, n);
  registry.registerMetric(metric);
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly exemplar?: {
    readonly labelSet: Readonly<Record<string, string>>;
    readonly value: number;
    readonly timestamp: number;
  };
}

/** The library's histogram takes one time at a time; these have been sorted into their buckets already. */
class TakenTimes extends Histogram {
  readonly #series: Series;
  readonly #times: Times;

  constructor(series: Series, times: Times) {
    super({ name: series.name, help: series.help, registers: [] });
    this.#series = series;
    this.#times = times;
  }

  /** How the library asks for what it writes as text. */
  async getForPromString(): Promise<Series & { values: readonly Sample[] }> {
    return { ...this.#series, values: samplesOf(this.#series.name, this.#times) };
  }
}

function samplesOf(name: string, { counts, sum, exemplars }: Times): Sample[] {
  const samples: Sample[] = [];
  let count = 0;
  for (const [bucket, taken] of counts.entries()) {
    count += taken;
    const le = String(TIME_BOUNDS[bucket] ?? '+Inf');
    const sample = { metricName: `${name}_bucket`, labels: { le }, value: count };
    const exemplar = exemplars[bucket];
    samples.push(exemplar === undefined ? sample : { ...sample, exemplar: exemplarOf(exemplar) });
  }
  samples.push({ metricName: `${name}_sum`, labels: {}, value: sum });
  samples.push({ metricName: `${name}_count`, labels: {}, value: count });
  return samples;
}

const exemplarOf = ({ trace, value, at }: Exemplar) => ({
  labelSet: { trace_id: trace },
  value,
  timestamp: at,
});
