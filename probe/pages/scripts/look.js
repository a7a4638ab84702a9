// Colours, marks and lines. The hues are those of Okabe and Ito (2008), which colour-blind readers tell apart.

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const MARKS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross"];
const FONT = "system-ui, sans-serif";
const PAPER = { ink: "#1a1a1a", soft: "#555555", ground: "#ffffff", line: "#d5d9de" };

function theme() {
  const own = getComputedStyle(document.documentElement);
  return Object.fromEntries(Object.keys(PAPER).map((name) => [name, own.getPropertyValue(`--${name}`).trim()]));
}

// Returns a curve's colour: of its series or, where there is one alone, of its line; grey for what is true of all.
function colourOf(chart, curve, colours) {
  const { series, lines } = chart.spec;
  if (curve.series === EVERY || (lines[curve.line].level && series.length === 1)) return colours.soft;
  return COLOURS[(series.length === 1 ? curve.line : curve.series) % COLOURS.length];
}

function markOf(chart, curve) {
  const place = chart.spec.series.length === 1 ? curve.line : curve.series;
  if (chart.spec.lines[curve.line].mark) return "star-diamond-open";
  return MARKS[(place + Math.floor(place / COLOURS.length)) % MARKS.length];
}

function faint(colour) {
  return `${colour}33`;
}

function axisLook(colours) {
  return {
    color: colours.ink, gridcolor: colours.line, linecolor: colours.soft, zeroline: false, ticks: "outside",
    automargin: true, title: { standoff: 8 },
  };
}

function frame(colours) {
  return {
    paper_bgcolor: colours.ground, plot_bgcolor: colours.ground, font: { family: FONT, size: 13, color: colours.ink },
    hoverlabel: { align: "left", font: { family: FONT, size: 13 } }, showlegend: false,
    dragmode: matchMedia("(pointer: fine)").matches ? "zoom" : false,
  };
}

const CONFIG = { responsive: true, displayModeBar: false, displaylogo: false };

// Returns the sample of a line and a mark that a legend shows.
function sample(colour, dash, mark) {
  const NS = "http://www.w3.org/2000/svg";
  const dashes = { solid: "", dash: "6 4", dot: "2 3", dashdot: "7 3 2 3", longdash: "10 4", longdashdot: "10 3 2 3" };
  const drawn = document.createElementNS(NS, "svg");
  const line = document.createElementNS(NS, mark ? "circle" : "line");
  const shape = mark ? { cx: 15, cy: 6, r: 4 } : { x1: 0, y1: 6, x2: 30, y2: 6 };
  const look = { stroke: colour, "stroke-width": 2.5, fill: mark === "full" ? colour : "none" };
  const dashed = { "stroke-dasharray": mark ? "" : (dashes[dash] ?? "5 2 1 2 1 2") };
  for (const [name, value] of Object.entries({ ...shape, ...look, ...dashed })) line.setAttribute(name, value);
  drawn.setAttribute("viewBox", "0 0 30 12");
  drawn.setAttribute("aria-hidden", "true");
  drawn.append(line);
  return drawn;
}
