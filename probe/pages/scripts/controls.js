// What a reader moves and chooses: sliders, lists, and the legend, all of them reached by keyboard.

const FOLDED = 8; // a legend of more entries would push the chart off a telephone's screen

function choose(chart, column, code) {
  chart.chosen[column] = code;
  const control = chart.parts.controls[column];
  control.input.value = String(code);
  if (control.output) {
    const words = facet(chart, column).words[code];
    control.output.textContent = words;
    control.input.setAttribute("aria-valuetext", words);
  }
  draw(chart);
}

function slider(chart, one) {
  const code = chart.chosen[one.column];
  const range = { type: "range", min: 0, max: one.words.length - 1, step: 1, "data-column": one.column };
  const input = make("input", { ...range, value: code, "aria-valuetext": one.words[code] });
  const output = make("output", {}, one.words[code]);
  input.addEventListener("input", () => choose(chart, one.column, Number(input.value)));
  chart.parts.controls[one.column] = { input, output };
  return make("label", {}, one.says, input, output);
}

function list(says, words, chosen, changed, column) {
  const options = words.map((word, place) => make("option", { value: place }, word));
  const input = make("select", column ? { "data-column": column } : {}, ...options);
  input.value = String(chosen);
  input.addEventListener("change", () => changed(Number(input.value)));
  return { input, label: make("label", {}, says, input) };
}

function facetList(chart, one) {
  const { input, label } = list(one.says, one.words, chart.chosen[one.column], (code) => choose(chart, one.column, code), one.column);
  chart.parts.controls[one.column] = { input };
  return label;
}

function addControls(chart) {
  const { facets, axes } = chart.spec;
  const several = facets.filter((one) => one.words.length > 1);
  const controls = several.map((one) => (one.slider ? slider(chart, one) : facetList(chart, one)));
  if (axes.length > 1) {
    const names = { layer: "layers", depth: "share of blocks", parameters: "share of parameters", flops: "share of FLOPs" };
    const words = axes.map((axis) => names[axis.name] ?? axis.name);
    controls.push(list("depth by", words, 0, (place) => { chart.axis = place; draw(chart); }, "axis").label);
  }
  const scale = list("scale", ["as usual", "logarithmic", "linear"], 0, (place) => {
    chart.log = [null, true, false][place];
    draw(chart);
  }, "scale");
  return make("div", { class: "controls" }, ...controls, scale.label);
}

function toggle(chart, set, code, words, drawn) {
  const button = make("button", { type: "button", "aria-pressed": String(!set.has(code)) }, drawn, words);
  button.addEventListener("click", () => {
    if (set.has(code)) set.delete(code);
    else set.add(code);
    button.setAttribute("aria-pressed", String(!set.has(code)));
    draw(chart);
  });
  return button;
}

// Returns the legend: a row of series, and a row of lines; each switches what it stands for on and off.
function addLegend(chart) {
  const { series, lines, called } = chart.spec;
  const own = { soft: "currentColor", brown: "var(--brown)", sky: "var(--sky)" }; // of the page, dark or light
  const row = (words, buttons) => make("div", { class: "legend", role: "group", "aria-label": words },
    make("span", { class: "soft" }, words), ...buttons);
  const folded = (words, buttons) => make("details", {}, make("summary", {}, words), row(words, buttons));
  const several = series.length > 1;
  const models = series.map((label, code) => toggle(chart, chart.hidden, code, label,
    sample(hue(code, own), shape(code), { full: true })));
  const heads = lines.map((line, code) => {
    const colour = several || line.level || line.quiet ? own.soft : colourOf(chart, { series: 0, line: code }, own);
    return toggle(chart, chart.without, code, line.label,
      line.mark ? sample(colour, "diamond") : sample(colour, "line", { dash: line.dash }));
  });
  const rows = [];
  const first = Math.min(chart.spec.shown, models.length); // of very many, those that are not drawn at first are folded
  const open = models.length > FOLDED ? first : models.length;
  if (several) rows.push(row(`${called}s`, models.slice(0, open)));
  if (open < models.length) rows.push(folded(`${models.length - open} more ${called}s`, models.slice(open)));
  if (lines.length > 1) rows.push(row("lines", heads));
  return make("div", {}, ...rows);
}
