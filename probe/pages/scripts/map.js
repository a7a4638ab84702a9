// The map of one curve over a facet: a click on a row moves the slider, or chooses from the list, that it belongs to.

// Returns the curves that can be mapped, with their rows over all of the facet.
function mappable(chart) {
  const { rows, lines, mapped } = chart.spec;
  const along = rowsOf(chart, [mapped]).filter((row) => rows.x[row] !== null && rows[mapped][row] !== EVERY);
  return curvesOf(chart, along).filter((curve) => curve.series !== EVERY && !lines[curve.line].mark);
}

function cells(chart, curve, across, down) {
  const { rows, mapped } = chart.spec;
  const column = new Map(across.map((x, place) => [x, place]));
  const grid = down.map(() => across.map(() => null));
  for (const row of curve.rows) grid[rows[mapped][row]][column.get(rows.x[row])] = row;
  return grid;
}

// Returns evenly spaced places, at most so many, the last always among them.
function places(count, most) {
  const step = [1, 2, 3, 4, 5, 10, 20, 25, 50, 100, 250, 1000].find((one) => count / one <= most) ?? count;
  const found = [];
  for (let place = 0; place < count - 0.6 * step; place += step) found.push(place);
  return [...found, count - 1];
}

function ticks(words, most) {
  const shown = places(words.length, most);
  return { tickmode: "array", tickvals: shown, ticktext: shown.map((place) => escaped(String(words[place]))) };
}

// Returns the ticks of a colour scale of logarithms.
function scaleTicks(low, high) {
  const { tickvals, ticktext } = logTicks([low, high]);
  return { tickvals: tickvals.map(Math.log10), ticktext };
}

function outline(across, row, colour, width) {
  const box = { x0: -0.5, x1: across - 0.5, y0: row - 0.5, y1: row + 0.5 };
  return { type: "rect", ...box, line: { color: colour, width } };
}

function mapFigure(chart, curve, colours) {
  const { rows, mapped, axes, blocks } = chart.spec;
  const one = facet(chart, mapped);
  const across = [...new Set(curve.rows.map((row) => rows.x[row]))].sort((a, b) => a - b);
  const grid = cells(chart, curve, across, one.words);
  const log = isLog(chart);
  const positive = curve.rows.map((row) => rows.y[row]).filter((y) => y > 0);
  const least = positive.reduce((a, b) => Math.min(a, b), 1);
  const scaled = (row) => (row === null ? null : log ? Math.log10(Math.max(rows.y[row], least)) : rows.y[row]);
  const z = grid.map((cellRow) => cellRow.map(scaled));
  const known = z.flat().filter((cell) => cell !== null);
  const [low, high] = [known.reduce((a, b) => Math.min(a, b), Infinity), known.reduce((a, b) => Math.max(a, b), -Infinity)];
  const title = blocks ? "layer (0 = read-in)" : axes[0].says;
  const words = grid.map((cellRow, place) => cellRow.map((row) =>
    row === null ? "" : `${escaped(one.says)} ${escaped(one.words[place])}<br>${hover(chart, curve, row)}`));
  const bar = { title: { text: valueOf(chart).name, side: "right" }, outlinewidth: 0, thickness: 14 };
  const [standsAt, wide] = [chart.chosen[mapped], across.length];
  return {
    data: [{
      type: "heatmap", z, text: words, hovertemplate: "%{text}<extra></extra>", colorscale: "Viridis", xgap: 0.5, ygap: 0.5,
      hoverongaps: false, colorbar: log ? { ...bar, ...scaleTicks(low, high) } : bar,
    }],
    layout: {
      ...frame(colours), dragmode: false, margin: { l: 60, r: 10, t: 8, b: 50 },
      plot_bgcolor: colours.line,
      shapes: [outline(wide, standsAt, "#000000", 4), outline(wide, standsAt, "#ffffff", 1.5)],
      xaxis: { ...axisLook(colours), title: { text: title, standoff: 8 }, showgrid: false, ...ticks(across, 9) },
      yaxis: { ...axisLook(colours), title: { text: escaped(one.says), standoff: 8 }, showgrid: false,
        ...ticks(one.words, one.slider ? 12 : 26), autorange: one.slider ? true : "reversed" },
    },
  };
}

function chosenCurve(chart) {
  const curves = mappable(chart);
  return { curves, curve: curves[Math.min(chart.of, curves.length - 1)] };
}

// Draws the map, lists the curves that it can show, and lets a click choose a row.
function drawMap(chart) {
  const { curves, curve } = chosenCurve(chart);
  const { map, mapOf } = chart.parts;
  const options = curves.map((one, place) => make("option", { value: place }, nameOf(chart, one)));
  mapOf.replaceChildren(...options);
  mapOf.value = String(Math.min(chart.of, curves.length - 1));
  if (!curve) {
    Plotly.purge(map);
    return Promise.resolve();
  }
  const { data, layout } = mapFigure(chart, curve, theme());
  return Plotly.react(map, data, layout, CONFIG).then(() => {
    map.removeAllListeners("plotly_click");
    map.on("plotly_click", (event) => choose(chart, chart.spec.mapped, event.points[0].y));
  });
}
