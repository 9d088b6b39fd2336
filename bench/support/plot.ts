/** The headline of a scenario as a picture: one bar for each server, and the machine it was measured on. */
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { BOUNDS, OURS, serverOf } from './ratios.ts';
import { figure, footerParts, headlineMetric, servers } from './report.ts';
import type { Report } from './results.ts';
import { summarise } from './stats.ts';

const WIDTH = 560;
const ROW_HEIGHT = 30;
/** Room for the names, left of the bars. */
const NAMES_WIDTH = 170;
const FOOTER_CHARACTERS = 130;
/** Beyond this, the small values would be too short to see on a linear axis. */
const LINEAR_FACTOR = 30;
/** White paper and dark ink: the page it is shown on may be light or dark. */
const PAPER = '#ffffff';
const INK = '#24292f';
const COLOURS = { ours: '#0b6bcb', bound: '#8c959f', others: '#d9a441' };

interface Bar {
  readonly server: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly label: string;
  readonly kind: keyof typeof COLOURS;
}

function kindOf(server: string | undefined): Bar['kind'] {
  if (server === OURS) return 'ours';
  return server !== undefined && BOUNDS.includes(server) ? 'bound' : 'others';
}

/** Best first. */
export function barsOf(report: Report): Bar[] {
  const sign = report.headline?.better === 'more' ? -1 : 1;
  const names = servers(report);
  return report.rows
    .filter(({ metric }) => metric === headlineMetric(report))
    .map(({ subject, unit, samples }) => {
      const summary = summarise(samples);
      const label = `${figure(summary.median)} ${unit}`;
      return { server: subject, ...summary, label, kind: kindOf(serverOf(subject, names)) };
    })
    .toSorted((a, b) => sign * (a.median - b.median));
}

interface Axis {
  readonly scale: { readonly type: 'log' | 'linear'; readonly domain: [number, number] };
  /** Where bars begin. */
  readonly base: number;
}

/** With room for the labels at its end. */
function axisFor(bars: readonly Bar[]): Axis {
  const max = Math.max(...bars.map((bar) => bar.max));
  const smallest = Math.min(...bars.map((bar) => bar.min).filter((min) => min > 0));
  const isWide = Number.isFinite(smallest) && max / smallest > LINEAR_FACTOR;
  if (!isWide) return { scale: { type: 'linear', domain: [0, max * 1.2 || 1] }, base: 0 };
  const base = 10 ** (Math.ceil(Math.log10(smallest)) - 1);
  return { scale: { type: 'log', domain: [base, max * (max / base) ** 0.2] }, base };
}

/** The footer in lines, broken between its parts. */
export function wrapped(parts: readonly string[]): string[] {
  const lines = [''];
  for (const part of parts) {
    const longer = [lines.at(-1), part].filter(Boolean).join(' · ');
    if (longer.length <= FOOTER_CHARACTERS || lines.at(-1) === '') lines.splice(-1, 1, longer);
    else lines.push(part);
  }
  return lines;
}

/** Bars from `base`, whiskers from min to max, values behind them; the footer below all. */
function layers(report: Report, bars: readonly Bar[], base: number) {
  const y = { field: 'server', type: 'nominal', sort: null, title: null } as const;
  const kinds = Object.keys(COLOURS);
  const color = {
    field: 'kind',
    scale: { domain: kinds, range: Object.values(COLOURS) },
    legend: null,
  } as const;
  const text = wrapped(footerParts(report));
  return [
    {
      mark: { type: 'bar', height: ROW_HEIGHT * 0.6 },
      encoding: { y, color, x: { field: 'median' }, x2: { datum: base } },
    },
    {
      mark: { type: 'rule', color: INK },
      encoding: { y, x: { field: 'min' }, x2: { field: 'max' } },
    },
    ...(['min', 'max'] as const).map((end) => ({
      mark: { type: 'tick', color: INK, size: 8, thickness: 1 },
      encoding: { y, x: { field: end } },
    })),
    {
      mark: { type: 'text', align: 'left', dx: 6, color: INK },
      encoding: { y, x: { field: 'max' }, text: { field: 'label' } },
    },
    {
      data: { values: [{}] },
      mark: { type: 'text', text, align: 'left', baseline: 'top', fontSize: 8, color: '#57606a' },
      encoding: { x: { value: -NAMES_WIDTH }, y: { value: bars.length * ROW_HEIGHT + 48 } },
    },
  ];
}

export function specification(report: Report): TopLevelSpec {
  const bars = barsOf(report).map((bar) => ({ ...bar }));
  const { scale, base } = axisFor(bars);
  const metric = headlineMetric(report);
  const unit = report.rows.find((row) => row.metric === metric)?.unit;
  const axis = [
    `${metric}${unit ? `, ${unit}` : ''}`,
    report.headline && `${report.headline.better} is better`,
    scale.type === 'log' && 'logarithmic',
  ];
  const spec = {
    background: PAPER,
    padding: 12,
    width: WIDTH,
    height: bars.length * ROW_HEIGHT,
    title: { text: report.title, anchor: 'start', frame: 'bounds', offset: 12 },
    data: { values: bars },
    encoding: {
      x: {
        type: 'quantitative',
        scale,
        title: axis.filter(Boolean).join(' · '),
        axis: { tickCount: 6 },
      },
    },
    layer: layers(report, bars, base),
    config: {
      font: 'system-ui, sans-serif',
      view: { stroke: null },
      title: { color: INK },
      axis: {
        labelColor: INK,
        titleColor: INK,
        titleFontWeight: 'normal',
        labelLimit: NAMES_WIDTH,
      },
    },
  };
  return spec as TopLevelSpec;
}

/** SVG; no browser and no canvas is needed for it. */
export function plot(report: Report): Promise<string> {
  const { spec } = compile(specification(report));
  return new View(parse(spec), { renderer: 'none' }).toSVG();
}
