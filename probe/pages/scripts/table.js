// The table beneath a chart: what each block changes, in words, or the values themselves; a click on a heading sorts.

const MOST = 12; // sentences about curves; the table has a row for every block

// Returns the change from one row to the next, so that the largest improvement is the largest number.
function gain(value, before, after) {
  if (value.share || before <= 0 || after <= 0) return value.better === "lower" ? before - after : after - before;
  return value.better === "lower" ? Math.log(before / after) : Math.log(after / before);
}

function changeWords(value, before, after) {
  if (value.share && before === after) return "0";
  if (value.share) return `${after >= before ? "+" : "\u2212"}${number(Math.abs(after - before))}`;
  if (before <= 0 || after <= 0) return "";
  return after <= before ? `\u00f7${number(before / after)}` : `\u00d7${number(after / before)}`;
}

function overlap(rows, one, other) {
  const known = [rows.low[one], rows.high[one], rows.low[other], rows.high[other]].every((end) => end !== null);
  return known && rows.low[one] <= rows.high[other] && rows.low[other] <= rows.high[one];
}

// Returns what each block of a curve changes, each with the sentence on it.
function changesOf(chart, curve) {
  const { rows } = chart.spec;
  const value = valueOf(chart);
  const better = value.better === "lower" ? "fall" : "rise";
  const worse = value.better === "lower" ? "rise" : "fall";
  const steps = curve.rows.slice(1).map((row, place) => {
    const from = curve.rows[place];
    const [before, after] = [rows.y[from], rows.y[row]];
    return { curve, from, row, before, after, gain: gain(value, before, after) };
  });
  const best = steps.reduce((a, step) => (step.gain > a ? step.gain : a), 0);
  for (const step of steps) {
    const [first, last] = [rows.x[step.from] + 1, rows.x[step.row]];
    const named = first === last ? `block ${last}` : `blocks ${first} to ${last}`;
    const marks = [];
    const overlapping = overlap(rows, step.from, step.row);
    if (step.before === step.after) marks.push("no change");
    else if (step.gain === best && best > 0) marks.push(`the largest ${better}`);
    else if (step.gain < 0 && !overlapping) marks.push(`a ${worse}`);
    if (overlapping && step.before !== step.after) marks.push("bands overlap");
    step.largest = step.gain === best && best > 0;
    step.words = [`${named}: ${number(step.before)} to ${number(step.after)}`, ...marks].join(", ");
  }
  return steps;
}

function shownCurves(chart) {
  const { rows } = chart.spec;
  return curvesOf(chart, rowsOf(chart).filter((row) => isShown(chart, row) && rows.x[row] !== null));
}

// Returns a table's headings and rows: every cell is a text with the value that it is sorted by.
function tableOf(chart) {
  const { spec } = chart;
  const { rows } = spec;
  const value = valueOf(chart);
  const who = (curve) => [
    [curve.series === EVERY ? "all" : spec.series[curve.series], curve.series],
    [spec.lines[curve.line].label, curve.line],
  ];
  if (spec.blocks) {
    const steps = shownCurves(chart).flatMap((curve) => changesOf(chart, curve));
    return {
      heads: [spec.called, "read by", "block", "in words", "change", "before", "after"], numeric: [2, 4, 5, 6],
      body: steps.map((step) => [
        ...who(step.curve), [String(rows.x[step.row]), rows.x[step.row]], [step.words, step.words],
        [changeWords(value, step.before, step.after), step.gain], [number(step.before), step.before],
        [number(step.after), step.after],
      ]),
    };
  }
  const axis = spec.axes[chart.axis].says;
  return {
    heads: [spec.called, "line", axis, value.name, "from", "to"], numeric: [2, 3, 4, 5],
    body: shownCurves(chart).flatMap((curve) => curve.rows.map((row) => [
      ...who(curve), [placed(position(chart, row)), position(chart, row)],
      ...[rows.y[row], rows.low[row], rows.high[row]].map((cell) => [number(cell), cell]),
    ])),
  };
}

function compare(one, other) {
  if (typeof one === "string") return one.localeCompare(other, "en", { numeric: true });
  return (one ?? -Infinity) - (other ?? -Infinity);
}

function heading(chart, words, place, numeric) {
  const { column, down } = chart.sorted;
  const sign = place === column ? (down ? " \u25be" : " \u25b4") : "";
  const button = make("button", { type: "button" }, words + sign);
  button.addEventListener("click", () => {
    chart.sorted = { column: place, down: place === column ? !down : numeric };
    fillTable(chart);
    chart.parts.table.querySelectorAll("th button")[place].focus();
  });
  const sort = place === column ? (down ? "descending" : "ascending") : "none";
  return make("th", { scope: "col", "aria-sort": sort, class: numeric ? "number" : "" }, button);
}

function fillTable(chart) {
  const { heads, numeric, body } = tableOf(chart);
  const { column, down } = chart.sorted;
  if (column >= 0) body.sort((a, b) => compare(a[column][1], b[column][1]) * (down ? -1 : 1));
  const top = make("tr", {}, ...heads.map((words, place) => heading(chart, words, place, numeric.includes(place))));
  const lines = body.map((cells) => make("tr", {}, ...cells.map(([words, sorted], place) => make("td",
    numeric.includes(place) ? { class: "number", "data-value": sorted ?? "" } : {}, words))));
  const { series, lines: kinds } = chart.spec;
  for (const { cells } of [top, ...lines]) { // a name that every row would repeat stands above the chart
    cells[0].hidden = series.length === 1;
    cells[1].hidden = kinds.length === 1;
  }
  chart.parts.table.replaceChildren(make("table", {}, make("thead", {}, top), make("tbody", {}, ...lines)));
}

// Says in words what the chart shows where it stands: the largest change of each curve, and every horizontal line.
function say(chart) {
  const told = [];
  if (chart.spec.blocks) {
    for (const curve of shownCurves(chart).filter((one) => !chart.spec.lines[one.line].quiet)) {
      const largest = changesOf(chart, curve).find((step) => step.largest);
      if (largest && told.length < MOST) told.push(`${nameOf(chart, curve)}: ${largest.words}`);
    }
  }
  const lines = levels(chart, theme()).map((level) => `${level.name} ${number(level.y)}`);
  if (lines.length) told.push(`Horizontal lines: ${lines.join("; ")}.`);
  chart.parts.said.replaceChildren(...told.map((words) => make("p", {}, words)));
}
