/** What a server tells of itself, as Prometheus would read it. */

/** By name with labels, as they are written: `tidings_streams_closed_total{reason="left"}`. */
export type Samples = ReadonlyMap<string, number>;

const SAMPLE = /^([a-z_]+(?:\{[^}]*\})?) (\S+)/;

export async function scrape({ controlUrl }: { controlUrl: string }): Promise<Samples> {
  const response = await fetch(`${controlUrl}/metrics`);
  if (response.status !== 200) throw new Error(`scraping was answered with ${response.status}`);
  return samplesOf(await response.text());
}

export function samplesOf(text: string): Samples {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, series, value] = SAMPLE.exec(line) ?? [];
    if (series !== undefined) samples.set(series, Number(value));
  }
  return samples;
}

/** Those that have changed, by how much. */
export function moved(before: Samples, after: Samples): Record<string, number> {
  const changes: Record<string, number> = {};
  for (const [series, value] of after) {
    const change = value - (before.get(series) ?? 0);
    if (change !== 0) changes[series] = change;
  }
  return changes;
}
