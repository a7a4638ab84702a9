// Numbers and names as a reader sees them, and elements that hold them: text is never read as HTML.

// Returns a value to three significant digits.
function number(value) {
  if (value === null) return "";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1000) return String(Math.round(value));
  return size < 0.0001 ? value.toExponential(2) : value.toPrecision(3);
}

// Returns a place on an axis, such as a layer, a step or a share of depth, as short as it can be.
function placed(value) {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(4)));
}

function escaped(words) {
  return words.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function span(low, high) {
  return low === null || high === null ? "" : `${number(low)} to ${number(high)}`;
}
