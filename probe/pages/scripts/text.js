// Numbers and names as a reader sees them, and elements that hold them: text is never read as HTML.

function number(value) {
  return value === null ? "" : String(Number(value.toPrecision(3)));
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
