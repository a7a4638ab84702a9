// A page of a running training loads itself anew; what a reader has chosen is kept over it.

const KEPT = `probe view ${location.pathname}`;

// Returns what is chosen, in words, since places in a list may be others next time; a slider at its end stays there.
function chosenNow() {
  return [...document.querySelectorAll("section.chart")].map((section) => ({
    chosen: [...section.querySelectorAll("[data-column]")].map((one) => {
      const words = one.tagName === "SELECT" ? one.selectedOptions[0]?.textContent : one.getAttribute("aria-valuetext");
      return [one.dataset.column, one.type === "range" && one.value === one.max ? null : words];
    }),
    pressed: [...section.querySelectorAll(".legend button")].map((one) => [one.textContent, one.getAttribute("aria-pressed")]),
  }));
}

function keep() {
  try {
    const open = [...document.querySelectorAll("details")].map((one) => one.open);
    sessionStorage.setItem(KEPT, JSON.stringify({ charts: chosenNow(), open, y: scrollY }));
  } catch {
    // without storage the page begins anew
  }
}

function wordsOf(input, place) {
  const { column } = input.dataset;
  const chart = input.closest("section.chart");
  return input.tagName === "SELECT" ? input.options[place].textContent : facet(charts[chart.dataset.chart], column).words[place];
}

function set(input, words) {
  const count = input.tagName === "SELECT" ? input.options.length : Number(input.max) + 1;
  for (let place = 0; place < count; place++) {
    if (wordsOf(input, place) !== words) continue;
    input.value = String(place);
    input.dispatchEvent(new Event(input.tagName === "SELECT" ? "change" : "input"));
    return;
  }
}

function restore() {
  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(KEPT));
    sessionStorage.removeItem(KEPT);
  } catch {
    return;
  }
  if (!kept) return;
  document.querySelectorAll("section.chart").forEach((section, place) => {
    const { chosen = [], pressed = [] } = kept.charts[place] ?? {};
    for (const [column, words] of chosen) {
      const input = section.querySelector(`[data-column="${column}"]`);
      if (input && words !== null) set(input, words);
    }
    for (const [words, was] of pressed) {
      const button = [...section.querySelectorAll(".legend button")].find((one) => one.textContent === words);
      if (button && button.getAttribute("aria-pressed") !== was) button.click();
    }
  });
  document.querySelectorAll("details").forEach((one, place) => { one.open = kept.open[place] ?? false; });
  scrollTo(0, kept.y);
}

function again() {
  const every = Number(document.documentElement.dataset.every);
  if (!every) return;
  setInterval(() => {
    if (document.hidden || document.querySelector(":active")) return; // nobody looks, or a hand is on a control
    keep();
    location.reload();
  }, 1000 * every);
}
