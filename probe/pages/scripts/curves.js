// Curves with their bands, horizontal lines, and the limits that hold for every place of the sliders.

const REACH = 30; // a reference further than this below every curve is said in words: drawn, it would flatten them
const CEILING = 100; // a curve above this leaves the axis at the top

function openSliders(chart) {
  return chart.spec.facets.filter((one) => one.slider).map((one) => one.column);
}

// Returns the limits of the values, the same wherever sliders stand.
function limits(chart) {
  const { rows } = chart.spec;
  const value = valueOf(chart);
  const shown = rowsOf(chart, openSliders(chart)).filter((row) => isShown(chart, row));
  const own = shown.filter((row) => rows.x[row] !== null && rows.series[row] !== EVERY);
  const drawn = own.length ? own : shown.filter((row) => rows.x[row] !== null);
  const log = isLog(chart);
  const ys = drawn.map((row) => rows.y[row]).filter((y) => !log || y > 0);
  let lowest = ys.reduce((a, b) => Math.min(a, b), Infinity);
  let highest = ys.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!ys.length) [lowest, highest] = log ? [0.1, 1] : [0, 1];
  const curve = lowest;
  for (const row of shown) {
    const reference = rows.x[row] === null || rows.series[row] === EVERY;
    for (const y of reference ? [rows.y[row]] : [rows.low[row], rows.high[row]]) {
      if (y === null || (log && y < curve / (reference ? REACH : 3))) continue;
      lowest = Math.min(lowest, y);
      highest = Math.max(highest, y);
    }
  }
  if (value.level !== null && (!log || value.level > 0)) {
    lowest = Math.min(lowest, value.level);
    highest = Math.max(highest, value.level);
  }
  if (log) return [Math.log10(lowest / 1.3), Math.log10(Math.max(Math.min(highest, CEILING), 3 * curve) * 1.3)];
  if (value.share && value.level === null) return [-0.02, 1.02];
  const room = (highest - lowest || 1) * 0.05;
  return [lowest - room, Math.min(highest, Math.max(CEILING, 3 * curve)) + room];
}

function hover(chart, curve, row) {
  const { rows, axes } = chart.spec;
  const at = chart.spec.blocks ? `layer ${rows.x[row]}` : `${axes[chart.axis].says} ${placed(position(chart, row))}`;
  const band = span(rows.low[row], rows.high[row]);
  const lines = [nameOf(chart, curve), `${at}: ${number(rows.y[row])}`, ...(band ? [`band ${band}`] : [])];
  return lines.map(escaped).join("<br>");
}

function band(chart, curve, at, colour, floor) {
  const { low, high } = chart.spec.rows;
  if (curve.rows.length < 2 || curve.rows.some((row) => low[row] === null || high[row] === null)) return [];
  const places = [...at, ...[...at].reverse()];
  const edge = [...curve.rows.map((row) => high[row]), ...[...curve.rows].reverse().map((row) => low[row])];
  return [{
    x: places, y: edge.map((y) => Math.max(y, floor)), fill: "toself", fillcolor: faint(colour), mode: "lines",
    line: { width: 0 }, hoverinfo: "skip", showlegend: false,
  }];
}

// Returns a bar for the band of every value that is the only one of its curve.
function bars(chart, curve) {
  const { y, low, high } = chart.spec.rows;
  if (curve.rows.length > 1 || curve.rows.some((row) => low[row] === null || high[row] === null)) return {};
  const part = (ends, sign) => curve.rows.map((row) => sign * (ends[row] - y[row]));
  return { error_y: { type: "data", symmetric: false, array: part(high, 1), arrayminus: part(low, -1), thickness: 1 } };
}

function traces(chart, colours, range) {
  const { rows, lines } = chart.spec;
  const floor = isLog(chart) ? 10 ** range[0] / 10 : -Infinity;
  const shown = rowsOf(chart).filter((row) => isShown(chart, row) && rows.x[row] !== null);
  return curvesOf(chart, shown).flatMap((curve) => {
    const at = curve.rows.map((row) => position(chart, row));
    const colour = colourOf(chart, curve, colours);
    const { dash, mark } = lines[curve.line];
    const few = curve.rows.length <= 40;
    return [...band(chart, curve, at, colour, floor), {
      x: at, y: curve.rows.map((row) => Math.max(rows.y[row], floor)), name: escaped(nameOf(chart, curve)),
      mode: mark ? "markers" : few ? "lines+markers" : "lines", line: { color: colour, dash, width: 2 },
      marker: { color: colour, symbol: markOf(chart, curve), size: mark ? 12 : 6, line: { width: mark ? 2 : 0, color: colour } },
      text: curve.rows.map((row) => hover(chart, curve, row)), hovertemplate: "%{text}<extra></extra>",
      hoverlabel: { bordercolor: colour }, cliponaxis: !mark, ...bars(chart, curve),
    }];
  });
}

// Returns the horizontal lines: what has no place along the axis, and the value that all are judged against.
function levels(chart, colours) {
  const { rows, lines } = chart.spec;
  const value = valueOf(chart);
  const shown = rowsOf(chart).filter((row) => isShown(chart, row) && rows.x[row] === null);
  const found = shown.map((row) => {
    const curve = { series: rows.series[row], line: rows.line[row] };
    const colour = colourOf(chart, curve, colours);
    return { y: rows.y[row], name: nameOf(chart, curve), colour, dash: lines[curve.line].dash };
  });
  if (value.level !== null) {
    found.push({ y: value.level, name: value.level_says, colour: colours.ink, dash: "solid", thin: true });
  }
  return found;
}

function levelShape(level) {
  return {
    type: "line", xref: "paper", x0: 0, x1: 1, y0: level.y, y1: level.y, layer: "below",
    line: { color: level.colour, dash: level.dash, width: level.thin ? 1 : 1.5 },
  };
}

function levelTrace(level) {
  const line = { color: level.colour, dash: level.dash, width: level.thin ? 1 : 1.5 };
  return { x: [null], y: [null], mode: "lines", name: escaped(`${level.name}: ${number(level.y)}`), line };
}

function horizontal(chart, colours) {
  const axis = chart.spec.axes[chart.axis];
  const numbers = chart.spec.rows.x.filter((x) => x !== null);
  const [least, most] = [numbers.reduce((a, b) => Math.min(a, b), Infinity), numbers.reduce((a, b) => Math.max(a, b), 0)];
  const look = { ...axisLook(colours), title: { text: axis.says, standoff: 8 }, type: axis.log ? "log" : "linear" };
  if (axis.log && least > 0) {
    const range = [Math.log10(least / 1.15), Math.log10(most * 1.15)];
    return { ...look, range, ...logTicks(range) };
  }
  const whole = axis.at === null && most - least <= 12 && numbers.every(Number.isInteger);
  return { ...look, ...(whole ? { dtick: 1 } : {}) };
}

// Returns round values between two powers of ten, about a handful of them.
function logTicks([low, high]) {
  const wide = high - low;
  const parts = wide > 2.5 ? [1] : wide > 0.6 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9];
  const step = Math.max(1, Math.ceil(wide / 8));
  const values = [];
  for (let decade = Math.floor(low); decade <= Math.ceil(high); decade++) {
    if (decade % step === 0) values.push(...parts.map((part) => part * 10 ** decade));
  }
  const tickvals = values.filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high);
  return { tickmode: "array", tickvals, ticktext: tickvals.map(placed) };
}

function curveFigure(chart, colours) {
  const range = limits(chart);
  const value = valueOf(chart);
  const drawn = levels(chart, colours).filter((level) => !isLog(chart) || Math.log10(level.y) >= range[0]);
  const type = isLog(chart) ? "log" : "linear";
  const layout = {
    ...frame(colours), margin: { l: 60, r: 14, t: 8, b: 50 }, hovermode: "closest", shapes: drawn.map(levelShape),
    xaxis: horizontal(chart, colours),
    yaxis: { ...axisLook(colours), type, range, title: { text: value.says, standoff: 8 } },
  };
  if (type === "log") Object.assign(layout.yaxis, logTicks(range));
  return { data: traces(chart, colours, range), layout, levels: levels(chart, colours) };
}

function drawCurves(chart) {
  const { data, layout } = curveFigure(chart, theme());
  return Plotly.react(chart.parts.curves, data, layout, CONFIG);
}
