/** One line of a plot. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

export interface Plot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** How an x is written below the axis; by default as the number it is. */
  readonly xText?: (x: number) => string;
  readonly yScale?: 'linear' | 'log';
}

const WIDTH = 560;
const HEIGHT = 300;
const MARGIN = { left: 64, right: 16, top: 34, bottom: 46 };
/** Told apart also without colour vision. */
const COLORS = ['#0b6e99', '#d9730d', '#448361', '#9065b0', '#c14c8a', '#787774'];
const DASHES = ['', '6 3', '2 3', '8 3 2 3', '1 2', '10 4'];

export const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${String(char.charCodeAt(0))};`);

const shortNumber = (value: number): string => {
  const size = Math.abs(value);
  if (size >= 1e6) return `${String(Number((value / 1e6).toPrecision(3)))}M`;
  if (size >= 1e3) return `${String(Number((value / 1e3).toPrecision(3)))}k`;
  return String(Number(value.toPrecision(3)));
};

/** Round values from 0 up to at least `highest`. Exported for its test. */
export function linearTicks(highest: number, wanted = 5): number[] {
  if (!(highest > 0)) return [0, 1];
  const rough = highest / wanted;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * magnitude).find((size) => size >= rough) ?? rough;
  const ticks = [0];
  while ((ticks.at(-1) ?? 0) < highest) ticks.push(Number(((ticks.at(-1) ?? 0) + step).toPrecision(12)));
  return ticks;
}

/** Powers of ten around the values. Exported for its test. */
export function logTicks(lowest: number, highest: number): number[] {
  const first = Math.floor(Math.log10(Math.max(lowest, 1e-6)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(highest, 1e-6))));
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
}

/** A plot as a piece of SVG: nothing to load, nothing to run. */
export function plotSvg(plot: Plot): string {
  const points = plot.series.flatMap((series) => series.points);
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const xMin = Math.min(...xs);
  const xMax = Math.max(...xs);
  const isLog = plot.yScale === 'log';
  const ticks = isLog ? logTicks(Math.min(...ys.filter((y) => y > 0)), Math.max(...ys)) : linearTicks(Math.max(...ys));
  const position = (y: number): number => (isLog ? Math.log10(Math.max(y, ticks[0] ?? 1e-6)) : y);
  const low = position(ticks[0] ?? 0);
  const high = position(ticks.at(-1) ?? 1);
  const inner = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const atX = (x: number): number => MARGIN.left + (xMax === xMin ? 0.5 : (x - xMin) / (xMax - xMin)) * inner.width;
  const atY = (y: number): number => MARGIN.top + (1 - (position(y) - low) / (high - low)) * inner.height;
  const text = (x: number, y: number, anchor: string, content: string, extra = ''): string =>
    `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}"${extra}>${escaped(content)}</text>`;

  const parts = [text(MARGIN.left, 18, 'start', plot.title, ' class="title"')];
  for (const tick of ticks) {
    const y = atY(tick).toFixed(1);
    parts.push(
      `<line class="grid" x1="${String(MARGIN.left)}" x2="${String(WIDTH - MARGIN.right)}" y1="${y}" y2="${y}"/>`,
    );
    parts.push(text(MARGIN.left - 6, atY(tick) + 4, 'end', shortNumber(tick)));
  }
  const marks = [...new Set(xs)].sort((left, right) => left - right);
  const every = Math.max(1, Math.ceil(marks.length / 8));
  for (const [index, x] of marks.entries()) {
    if (index % every === 0) {
      parts.push(text(atX(x), HEIGHT - MARGIN.bottom + 16, 'middle', plot.xText?.(x) ?? shortNumber(x)));
    }
  }
  parts.push(text(MARGIN.left + inner.width / 2, HEIGHT - 12, 'middle', plot.xLabel));
  const middle = MARGIN.top + inner.height / 2;
  parts.push(text(14, middle, 'middle', plot.yLabel, ` transform="rotate(-90 14 ${middle.toFixed(1)})"`));
  for (const [index, series] of plot.series.entries()) {
    const color = COLORS[index % COLORS.length] ?? '#000';
    const line = series.points.map(([x, y]) => `${atX(x).toFixed(1)},${atY(y).toFixed(1)}`).join(' ');
    const dash = DASHES[index % DASHES.length] ?? '';
    parts.push(
      `<polyline fill="none" stroke="${color}" stroke-width="2" stroke-dasharray="${dash}" points="${line}"/>`,
    );
    for (const [x, y] of series.points.length <= 10 ? series.points : []) {
      parts.push(`<circle cx="${atX(x).toFixed(1)}" cy="${atY(y).toFixed(1)}" r="3" fill="${color}"/>`);
    }
    const legendY = MARGIN.top + 14 + index * 16;
    parts.push(
      `<line x1="${String(WIDTH - 150)}" x2="${String(WIDTH - 126)}" y1="${String(legendY - 4)}" y2="${String(legendY - 4)}" stroke="${color}" stroke-width="2" stroke-dasharray="${dash}"/>`,
    );
    parts.push(text(WIDTH - 120, legendY, 'start', series.name));
  }
  return `<svg viewBox="0 0 ${String(WIDTH)} ${String(HEIGHT)}" role="img" aria-label="${escaped(plot.title)}">${parts.join('')}</svg>`;
}
