// Sets every chart into its place, and draws it anew when something is chosen or the page turns dark or light.

function draw(chart) {
  const drawn = [drawCurves(chart), ...(chart.spec.mapped ? [drawMap(chart)] : [])];
  fillTable(chart);
  say(chart);
  return Promise.all(drawn);
}

function place(chart, home) {
  const { spec, parts } = chart;
  const label = { role: "img", "aria-label": `${spec.title}. ${spec.about}. The table beneath holds its numbers.` };
  parts.curves = make("div", { class: "curves", ...label });
  parts.said = make("div", { class: "said", "aria-live": "polite" });
  parts.table = make("div", { class: "turned", tabindex: 0, role: "region", "aria-label": "numbers" });
  const plots = [make("div", {}, parts.curves)];
  const numbers = [parts.said, parts.table];
  if (spec.mapped) {
    parts.map = make("div", { class: "map", role: "img", "aria-label": `Map over ${facet(chart, spec.mapped).says}` });
    const chosen = list("map of", [], 0, (code) => { chart.of = code; drawMap(chart); }, "map");
    parts.mapOf = chosen.input;
    const says = make("span", { class: "soft" }, `A click on a row moves the curve there: ${facet(chart, spec.mapped).says}.`);
    plots.push(make("div", {}, make("div", { class: "controls" }, chosen.label, says), parts.map));
  }
  if (!spec.mapped) plots.push(make("div", {}, ...numbers.splice(0))); // on a wide screen they stand where a map would
  const wide = make("div", { class: `plots ${spec.mapped ? "mapped" : "counted"}` }, ...plots);
  home.append(make("p", { class: "about" }, spec.about), addControls(chart), addLegend(chart), wide, ...numbers,
    addDownloads(chart));
}

async function copy(button) {
  const lines = button.previousElementSibling;
  getSelection().selectAllChildren(lines);
  try {
    await navigator.clipboard.writeText(lines.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Selected: copy it by Ctrl+C";
  }
}

let charts = [];

async function start() {
  const { charts: specs } = JSON.parse(document.getElementById("numbers").textContent);
  charts = specs.map((spec, number) => ({ ...begin(spec, number), parts: { controls: {} } }));
  for (const chart of charts) place(chart, document.querySelector(`[data-chart="${chart.place}"]`));
  for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button));
  await Promise.all(charts.map(draw));
  restore();
  document.documentElement.dataset.drawn = String(Math.round(performance.now()));
  again();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach(draw));
}

start();
