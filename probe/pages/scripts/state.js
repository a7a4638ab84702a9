// What a reader has chosen of a chart, and the rows that are shown for it.

const EVERY = -1;

function begin(spec, place) {
  const chosen = {};
  for (const facet of spec.facets) chosen[facet.column] = facet.chosen;
  const hidden = new Set([...spec.series.keys()].filter((series) => series >= spec.shown));
  return { spec, place, chosen, axis: 0, log: null, hidden, without: new Set(), of: 0, sorted: { column: -1, down: false } };
}

// Returns the facet of a column.
function facet(chart, column) {
  return chart.spec.facets.find((one) => one.column === column);
}

// Returns what is shown: that of the chosen measure, or of the chart.
function valueOf(chart) {
  for (const one of chart.spec.facets) {
    const own = one.values[chart.chosen[one.column]];
    if (own) return own;
  }
  return chart.spec.value;
}

function isLog(chart) {
  return chart.log === null ? valueOf(chart).log : chart.log;
}

// Returns the places of rows that fit what is chosen, but for the facets that are left open.
function rowsOf(chart, open = []) {
  const { rows, facets } = chart.spec;
  const closed = facets.filter((one) => !open.includes(one.column));
  const found = [];
  for (let row = 0; row < rows.y.length; row++) {
    const fits = closed.every(({ column }) => {
      const code = rows[column][row];
      return code === EVERY || code === chart.chosen[column];
    });
    if (fits && rows.y[row] !== null) found.push(row);
  }
  return found;
}

function isShown(chart, row) {
  const { series, line } = chart.spec.rows;
  return !chart.hidden.has(series[row]) && !chart.without.has(line[row]);
}

function last(code) {
  return code === EVERY ? Number.MAX_SAFE_INTEGER : code; // what is true of all stands behind the others
}

// Returns rows by series and line, those along the axis in its order, in the order of series and lines.
function curvesOf(chart, rows) {
  const { series, line, x } = chart.spec.rows;
  const found = new Map();
  for (const row of rows) {
    const key = `${series[row]} ${line[row]}`;
    if (!found.has(key)) found.set(key, { series: series[row], line: line[row], rows: [] });
    found.get(key).rows.push(row);
  }
  const curves = [...found.values()].sort((a, b) => last(a.series) - last(b.series) || a.line - b.line);
  for (const curve of curves) curve.rows.sort((a, b) => x[a] - x[b]);
  return curves;
}

// Returns where a row lies along the axis that is chosen.
function position(chart, row) {
  const { x, series } = chart.spec.rows;
  const { at } = chart.spec.axes[chart.axis];
  return at === null ? x[row] : at[series[row]][x[row]];
}

function nameOf(chart, curve) {
  const { series, lines } = chart.spec;
  const alone = lines.length === 1 && curve.series !== EVERY;
  const parts = curve.series === EVERY ? [] : [series[curve.series]];
  return [...parts, ...(alone ? [] : [lines[curve.line].label])].join(", ");
}

// Returns what the sliders and lists stand at, in words, but for that of one column.
function standing(chart, but = "") {
  const shown = chart.spec.facets.filter((one) => one.column !== but);
  const facets = shown.filter((one) => one.values.every((value) => value === null));
  return facets.map((one) => `${one.says}: ${one.words[chart.chosen[one.column]]}`).join("; ");
}
