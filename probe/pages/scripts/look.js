// Colours, marks and lines. The first six are those of pictures (probe/plots/style.py), which colour-blind readers tell
// apart; two of them are lighter on a dark ground. The further ones stand out from either ground, and have other marks.

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "brown", "sky",
  "#7A6FD0", "#A6692E", "#AA4499", "#2F8FA3", "#C2185B", "#8A8A2E"];
const MARKS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross"];
const FONT = "system-ui, sans-serif";
const PAPER = { ink: "#1a1a1a", soft: "#555555", ground: "#ffffff", line: "#d5d9de", brown: "#703A16", sky: "#3296FA" };

function theme() {
  const own = getComputedStyle(document.documentElement);
  return Object.fromEntries(Object.keys(PAPER).map((name) => [name, own.getPropertyValue(`--${name}`).trim()]));
}

// Returns the colour of a place in the list, as it is on a ground.
function hue(place, colours) {
  const found = COLOURS[place % COLOURS.length];
  return colours[found] ?? found;
}

// Returns a curve's colour: of its series or, where there is one alone, of its line; grey for what is true of all.
function colourOf(chart, curve, colours) {
  const { series, lines } = chart.spec;
  const { level, quiet } = lines[curve.line];
  if (curve.series === EVERY || quiet || (level && series.length === 1)) return colours.soft;
  return hue(series.length === 1 ? curve.line : curve.series, colours);
}

// Returns the mark of the series, or of the line, at a place; after all marks they move on by one.
function shape(place) {
  return MARKS[(place + Math.floor(place / MARKS.length)) % MARKS.length];
}

function markOf(chart, curve) {
  if (chart.spec.lines[curve.line].mark) return "diamond-open";
  return shape(chart.spec.series.length === 1 ? curve.line : Math.max(curve.series, 0));
}

function faint(colour) {
  return `${colour}33`;
}

function axisLook(colours) {
  return {
    color: colours.ink, gridcolor: colours.line, linecolor: colours.soft, zeroline: false, ticks: "outside",
    automargin: true,
  };
}

function frame(colours) {
  return {
    paper_bgcolor: colours.ground, plot_bgcolor: colours.ground, font: { family: FONT, size: innerWidth < 500 ? 11 : 13, color: colours.ink },
    hoverlabel: { align: "left", font: { family: FONT, size: 13 } }, showlegend: false,
    dragmode: matchMedia("(pointer: fine)").matches ? "zoom" : false,
  };
}

const CONFIG = { responsive: true, displayModeBar: false, displaylogo: false };

const SHAPES = {
  circle: "M19 6A4 4 0 1 1 11 6A4 4 0 1 1 19 6Z", square: "M11 2H19V10H11Z", "triangle-up": "M15 1.5L19.5 10H10.5Z",
  diamond: "M15 1L20 6L15 11L10 6Z", "triangle-down": "M15 10.5L19.5 2H10.5Z",
  cross: "M13.5 1.5H16.5V4.5H19.5V7.5H16.5V10.5H13.5V7.5H10.5V4.5H13.5Z", line: "M0 6H30",
};
const DASHES = { solid: "", dash: "6 4", dot: "2 3", dashdot: "7 3 2 3", longdash: "10 4", longdashdot: "10 3 2 3" };

// Returns the sample of a line, or of a mark, that a legend shows.
function sample(colour, drawnAs, { dash = "solid", full = false } = {}) {
  const space = "http://www.w3.org/2000/svg";
  const drawn = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  const look = { d: SHAPES[drawnAs], "stroke-width": 2 };
  const dashed = { "stroke-dasharray": DASHES[dash] ?? "5 2 1 2 1 2" };
  for (const [name, value] of Object.entries({ ...look, ...dashed })) path.setAttribute(name, value);
  Object.assign(path.style, { stroke: colour, fill: full ? colour : "none" });
  drawn.setAttribute("viewBox", "0 0 30 12");
  drawn.setAttribute("aria-hidden", "true");
  drawn.append(path);
  return drawn;
}
