// Pictures and numbers to take away. A picture that leaves the page says what it shows, on white.

function fileName(chart) {
  return `probe-${chart.spec.title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
}

function titled(chart, layout, words) {
  const lines = words.filter(Boolean).map(escaped);
  const text = `<b>${escaped(chart.spec.title)}</b><br><span style="font-size:12px">${lines.join("<br>")}</span>`;
  return { ...layout, title: { text, x: 0.02, xanchor: "left", yref: "container", y: 0.96, yanchor: "top", font: { size: 15 } },
    margin: { ...layout.margin, t: 60 + 18 * lines.length } };
}

function save(chart, figure, format, more = "") {
  const size = { format, filename: fileName(chart) + more, width: 900, height: 620, scale: format === "png" ? 3 : 1 };
  return Plotly.downloadImage({ ...figure, config: CONFIG }, size);
}

function saveCurves(chart, format) {
  const { data, layout, levels: lines } = curveFigure(chart, PAPER);
  const legend = { orientation: "h", y: -0.16, font: { size: 11 } };
  const named = titled(chart, { ...layout, showlegend: true, legend }, [standing(chart), chart.spec.about]);
  return save(chart, { data: [...data, ...lines.map(levelTrace)], layout: named }, format);
}

function saveMap(chart, format) {
  const { curve } = chosenCurve(chart);
  const { data, layout } = mapFigure(chart, curve, PAPER);
  const about = chart.spec.about.replace(/; bands: .*$/, ""); // a map has none
  const words = [nameOf(chart, curve), standing(chart, chart.spec.mapped), about];
  return save(chart, { data, layout: titled(chart, { ...layout, shapes: [] }, words) }, format, "-map");
}

// Returns a cell of a CSV, which no spreadsheet computes.
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const safe = /^'*[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

// Returns every number of the chart, wherever sliders and lists stand.
function csvOf(chart) {
  const { rows, series, lines, facets, axes, blocks } = chart.spec;
  const heads = ["series", "line", blocks ? "layer" : axes[0].name, ...facets.map((one) => one.column), "value", "low", "high"];
  const body = rows.y.map((value, row) => [
    series[rows.series[row]] ?? "", lines[rows.line[row]].label, rows.x[row],
    ...facets.map((one) => one.words[rows[one.column][row]] ?? ""), value, rows.low[row], rows.high[row],
  ]);
  return [heads, ...body].map((cells) => cells.map(cell).join(",")).join("\n") + "\n";
}

function saveCsv(chart) {
  const address = URL.createObjectURL(new Blob([csvOf(chart)], { type: "text/csv" }));
  make("a", { href: address, download: `${fileName(chart)}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function addDownloads(chart) {
  const button = (words, act) => {
    const made = make("button", { type: "button", "data-download": words }, words);
    made.addEventListener("click", act);
    return made;
  };
  const maps = ["png", "svg"].map((format) => button(`map ${format.toUpperCase()}`, () => saveMap(chart, format)));
  return make("div", { class: "downloads" }, make("span", { class: "soft" }, "Download"),
    button("PNG", () => saveCurves(chart, "png")), button("SVG", () => saveCurves(chart, "svg")),
    ...(chart.spec.mapped ? maps : []), button("CSV", () => saveCsv(chart)));
}
