// The page's own script: tables sort, charts are read with pointer or slider, two runs stand side by side.
// Texts come in as text (textContent), never as HTML.
(() => {
"use strict";
const root = document.documentElement;
const DATA = JSON.parse(document.getElementById("data").textContent);
const NONE = "—";
const charts = [];

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Sorting ------------------------------------------------------------------------------------------------------------

const SECONDS = {ms: 0.001, s: 1, min: 60, h: 3600};

function amount(text) {
  const spans = [...text.matchAll(/([\d,.]+)\s(ms|s|min|h)(?=\s|$)/g)];
  if (spans.length) return spans.reduce((sum, [, n, unit]) => sum + Number(n.replaceAll(",", "")) * SECONDS[unit], 0);
  const found = /^[+-]?[\d,]*\.?\d+(?:e[+-]?\d+)?/i.exec(text.replace("−", "-"));
  return found ? Number(found[0].replaceAll(",", "")) : NaN;
}

function compare(a, b, numbers) {
  const [x, y] = numbers ? [amount(a), amount(b)] : [NaN, NaN];
  if (x !== y && !(isNaN(x) && isNaN(y))) return isNaN(x) ? 1 : isNaN(y) ? -1 : x - y;
  return a.localeCompare(b, "en", {numeric: true});
}

function sortable(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  // A row that begins with an empty cell goes on with the one above.
  const groups = [];
  for (const row of body.rows) row.cells[0].textContent.trim() || !groups.length ? groups.push([row]) : groups.at(-1).push(row);
  if (groups.length < 2) return;
  heads.forEach((head, column) => {
    const name = head.textContent.trim();
    if (!name) return;
    const button = make("button", {type: "button"});
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const order = {none: "ascending", ascending: "descending", descending: "none"}[head.ariaSort || "none"];
      heads.forEach(other => other.removeAttribute("aria-sort"));
      const said = group => group[0].cells[column].textContent.trim(), numbers = head.classList.contains("right");
      const sorted = [...groups];
      if (order !== "none") {
        head.ariaSort = order;
        const sign = order === "ascending" ? 1 : -1;
        // What is not known stays below, whichever way.
        const known = group => numbers && isNaN(amount(said(group))) ? 1 : 0;
        sorted.sort((a, b) => known(a) - known(b) || sign * compare(said(a), said(b), numbers));
      }
      body.append(...sorted.flat());
    });
  });
}

// Charts -------------------------------------------------------------------------------------------------------------

const DASHES = [[], [8, 4], [2, 3], [8, 3, 2, 3]];

function colour(name) {
  const probe = make("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function number(value) {
  if (value === null || value === undefined) return NONE;
  return Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3) ? value.toExponential(3) : String(Number(value.toPrecision(5)));
}

function swatch(place) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), line = document.createElementNS(space, "line");
  for (const [key, value] of Object.entries({width: 28, height: 10, "aria-hidden": "true"})) svg.setAttribute(key, value);
  const look = {x1: 0, y1: 5, x2: 28, y2: 5, "stroke-width": 3, stroke: `var(--line-${place % 8})`,
    "stroke-dasharray": DASHES[(place >> 3) % DASHES.length].join(" ")};
  for (const [key, value] of Object.entries(look)) line.setAttribute(key, value);
  svg.append(line);
  return svg;
}

class Chart {
  constructor(place, data, lines = data.lines) {
    Object.assign(this, {data, lines, at: null});
    this.shown = lines.map((_, number) => number < data.shown);
    this.xs = [...new Set(lines.flatMap(line => line.x))].sort((a, b) => a - b);
    this.plot = make("div", {className: "plot"});
    this.plot.setAttribute("role", "img");
    this.plot.setAttribute("aria-label", data.alt);
    this.slider = make("input", {type: "range", min: 0, max: this.xs.length - 1, value: 0});
    this.output = make("output");
    const body = make("tbody");
    this.rows = lines.map((line, number) => this.row(body, line, number));
    const heads = ["Configuration", data.y, ...(this.banded() ? ["Range"] : [])];
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((text, number) =>
      make("th", {scope: "col", textContent: text, className: number ? "right" : ""})))), body);
    const at = make("div", {className: "at"}, make("label", {}, `${data.x} `, this.slider), this.output);
    if (lines.length > 2) at.append(this.every("Show all", true), this.every("Hide all", false));
    const scroll = make("div", {className: "lines", tabIndex: 0}, table);
    scroll.setAttribute("role", "group");
    scroll.setAttribute("aria-label", `${data.y}: values at the chosen place`);
    this.box = make("div", {className: "chart-box"}, this.plot, at, scroll);
    place.replaceWith(this.box);
    this.slider.addEventListener("input", () => this.read(this.xs[this.slider.value], true));
    this.read(this.xs.at(-1), false);
    new ResizeObserver(() => this.drawn && this.drawn.setSize(this.size())).observe(this.plot);
    charts.push(this);
    this.draw();
  }

  banded() { return this.lines.some(line => line.low.length); }

  row(body, line, number) {
    const box = make("input", {type: "checkbox", checked: this.shown[number]});
    box.addEventListener("change", () => { this.shown[number] = box.checked; this.draw(); });
    const head = make("th", {scope: "row"}, make("label", {}, box, swatch(number), make("bdi", {textContent: line.label})));
    const value = make("td", {className: "right"}), range = make("td", {className: "right"});
    body.append(make("tr", {}, head, value, ...(this.banded() ? [range] : [])));
    return {box, value, range};
  }

  every(text, shown) {
    const button = make("button", {type: "button", textContent: text});
    button.addEventListener("click", () => {
      this.shown.fill(shown);
      for (const row of this.rows) row.box.checked = shown;
      this.draw();
    });
    return button;
  }

  size() { return {width: Math.max(200, this.plot.clientWidth), height: 288}; }

  named(x) { return this.data.ticks[x] ?? (Number.isInteger(x) ? x.toLocaleString("en") : number(x)); }

  // Values at x, of each line at its own nearest place; `move` puts the cursor there too.
  read(x, move) {
    this.at = x;
    const text = this.named(x);
    this.output.textContent = text;
    this.slider.value = this.xs.indexOf(x);
    this.slider.setAttribute("aria-valuetext", text);
    this.lines.forEach((line, number_) => {
      let place = line.x.findIndex(own => own >= x);
      if (place > 0 && line.x[place] - x > x - line.x[place - 1]) place -= 1;
      if (this.data.points && line.x[place] !== x) place = -1;
      const {value, range} = this.rows[number_];
      value.textContent = place < 0 ? NONE : number(line.y[place]);
      range.textContent = place < 0 || !line.low.length ? NONE : `${number(line.low[place])} to ${number(line.high[place])}`;
    });
    if (move && this.drawn) this.drawn.setCursor({left: this.drawn.valToPos(x, "x"), top: 10}, false);
  }

  draw() {
    if (this.drawn) this.drawn.destroy();
    const ink = colour("ink"), faint = colour("line"), tables = [], series = [{}], bands = [];
    const chosen = this.lines.map((line, place) => ({line, place})).filter(({place}) => this.shown[place]);
    for (const {line, place} of chosen) {
      const stroke = colour(`line-${place % 8}`), dash = DASHES[(place >> 3) % DASHES.length];
      // More than a few bands hide each other.
      if (line.low.length && chosen.length < 5) {
        tables.push([line.x, line.high, line.low]);
        const edge = {stroke: "transparent", width: 0, points: {show: false}};
        bands.push({series: [series.length, series.length + 1], fill: stroke.replace("rgb(", "rgba(").replace(")", ", 0.2)")});
        series.push(edge, edge);
      }
      tables.push([line.x, line.y]);
      series.push({stroke, dash, width: 2, points: {show: this.data.points, size: 7, fill: stroke}});
    }
    const axis = {stroke: ink, grid: {stroke: faint, width: 1}, ticks: {stroke: faint, width: 1}};
    const ticks = this.data.ticks.length ? {values: (_, found) => found.map(x => (this.data.ticks[x] ?? "").split(" ")[0]), space: 90} : {};
    const options = {
      ...this.size(), series, bands, legend: {show: false},
      scales: {x: {time: false, range: this.data.points ? (_, low, high) => [low - 0.5, high + 0.5] : undefined}},
      cursor: {y: false, points: {show: false}},
      axes: [{...axis, ...ticks, label: this.data.x}, {...axis, label: this.data.y, size: 64}],
      hooks: {
        setCursor: [plot => {
          if (plot.cursor.event && plot.cursor.idx != null) this.read(plot.data[0][plot.cursor.idx], false);
        }],
        draw: [plot => this.mark(plot, ink)],
      },
    };
    const joined = tables.length ? uPlot.join(tables, tables.map(table => table.map(() => 1))) : [this.xs];
    this.drawn = new uPlot(options, joined, this.plot);
  }

  mark(plot, ink) {
    for (const x of this.data.marks) {
      const at = Math.round(plot.valToPos(x, "x", true));
      plot.ctx.save();
      Object.assign(plot.ctx, {strokeStyle: ink, lineWidth: devicePixelRatio});
      plot.ctx.setLineDash([4, 4]);
      plot.ctx.beginPath();
      plot.ctx.moveTo(at, plot.bbox.top);
      plot.ctx.lineTo(at, plot.bbox.top + plot.bbox.height);
      plot.ctx.stroke();
      plot.ctx.restore();
    }
  }
}

// Two runs side by side ----------------------------------------------------------------------------------------------

function signed(value, digits = 2) {
  const text = (value >= 0 ? "+" : "") + value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "+") : text;
}

function bits(text) {
  return [...atob(text)].flatMap(letter => [...letter.charCodeAt(0).toString(2).padStart(8, "0")]);
}

function pairs(found) {
  const runs = found.rows.flatMap(row => row.runs.map(run => ({row, run})));
  const choices = ["run-a", "run-b"].map(id => document.getElementById(id));
  for (const choice of choices) {
    let number = 0;
    for (const row of found.rows) {
      const group = make("optgroup", {label: row.label});
      for (const run of row.runs) {
        const status = run.status === "ok" ? "" : ` · ${run.status}`;
        group.append(make("option", {value: number, textContent: `${row.label} · seed ${run.seed}${status}`}));
        number += 1;
      }
      choice.append(group);
    }
  }
  const other = runs.findIndex(one => one.row !== runs[0].row && one.run.seed === runs[0].run.seed);
  choices[1].value = other > 0 ? other : 1;
  const show = () => pair(found, ...choices.map(choice => runs[choice.value]));
  for (const choice of choices) choice.addEventListener("change", show);
  document.getElementById("swap").addEventListener("click", () => {
    [choices[0].value, choices[1].value] = choices.map(choice => choice.value).reverse();
    show();
  });
  show();
}

function pair(found, a, b) {
  const body = document.querySelector("#pair tbody");
  body.replaceChildren();
  const add = (name, x, y, last = "") => {
    const row = make("tr", {}, make("th", {scope: "row", textContent: name}),
      ...[x ?? NONE, y ?? NONE, last].map(text => make("td", {className: "right"}, make("bdi", {textContent: text}))));
    row.classList.toggle("differs", last === "differs");
    body.append(row);
  };
  const said = (name, x, y) => add(name, x, y, x === y ? "" : "differs");
  const known = value => value !== null && value !== undefined;
  const count = (name, x, y, digits, unit) => add(name, ...[x, y].map(value => known(value) ? value.toFixed(digits) + unit : NONE),
    known(x) && known(y) && x ? `${signed(100 * (y / x - 1), 1)} %` : "");
  said("Seed", String(a.run.seed), String(b.run.seed));
  said("Status", a.run.status, b.run.status);
  for (const [metric, head] of found.metrics) {
    const [x, y] = [a, b].map(one => one.run.scores[metric]);
    add(head, ...[x, y].map(value => known(value) ? value.toFixed(2) : NONE), known(x) && known(y) ? signed(y - x) : "");
  }
  if (a.run.answers && b.run.answers && a.row.examples === b.row.examples && a.row.truth && a.row.truth === b.row.truth) {
    const [x, y, truth] = [a.run.answers, b.run.answers, a.row.truth].map(text => bits(text).slice(0, a.row.examples));
    const apart = x.map((_, place) => place).filter(place => x[place] !== y[place]);
    const right = side => String(apart.filter(place => side[place] === truth[place]).length);
    add("Right where the other is wrong", right(x), right(y), `${apart.length} of ${x.length} answers differ`);
  }
  count("Training", a.run.seconds, b.run.seconds, 1, " s");
  count("Samples per second", a.run.rate, b.run.rate, 2, "");
  said("Optimizer steps", ...[a, b].map(one => one.row.steps.map(steps => steps.toLocaleString("en")).join(", ")));
  const axes = [a, b].map(one => new Map(one.row.axes));
  for (const name of new Set(axes.flatMap(map => [...map.keys()]))) said(name, axes[0].get(name), axes[1].get(name));
  const places = [a, b].map(one => found.environments[one.row.environment]);
  if (places.every(Boolean)) {
    if (Object.keys(found.environments).length > 1) said("Environment", places[0].name, places[1].name);
    const facts = places.map(place => new Map(place.facts));
    for (const name of new Set(facts.flatMap(map => [...map.keys()])))
      if (facts[0].get(name) !== facts[1].get(name)) said(name, facts[0].get(name), facts[1].get(name));
  }
  const loss = DATA.charts.loss, old = document.querySelector("#pair-chart, #side-by-side .chart-box");
  const lines = loss ? [...new Set([a.row.line, b.row.line])].filter(known).map(place => loss.lines[place]) : [];
  for (const chart of charts.filter(chart => chart.box === old)) charts.splice(charts.indexOf(chart), 1);
  if (lines.length) new Chart(old, {...loss, alt: lines.map(line => line.label).join(", ")}, lines);
  else old.replaceWith(make("div", {id: "pair-chart"}));
}

// Light and dark, print ----------------------------------------------------------------------------------------------

const preferred = matchMedia("(prefers-color-scheme: dark)");
const theme = document.getElementById("theme");
let chosen = null;

function paint(dark) {
  root.style.colorScheme = chosen === null && !printing ? "" : dark ? "dark" : "light";
  root.classList.toggle("dark", dark);
  theme.textContent = dark ? "Light page" : "Dark page";
  for (const chart of charts) chart.draw();
}

let printing = false;
const isDark = () => !printing && (chosen ?? preferred.matches);
theme.addEventListener("click", () => { chosen = !isDark(); paint(isDark()); });
preferred.addEventListener("change", () => paint(isDark()));
addEventListener("beforeprint", () => { printing = true; paint(false); });
addEventListener("afterprint", () => { printing = false; paint(isDark()); });

// Start --------------------------------------------------------------------------------------------------------------

theme.hidden = false;
for (const node of document.querySelectorAll(".scripted")) node.hidden = false;
for (const table of document.querySelectorAll("table:not(#pair)")) if (table.tHead && table.tBodies.length) sortable(table);
for (const place of document.querySelectorAll("[data-chart]")) {
  const holder = place.closest("p") ?? place;
  new Chart(holder, DATA.charts[place.dataset.chart]);
}
if (DATA.runs) pairs(DATA.runs);
root.classList.toggle("dark", isDark());
theme.textContent = isDark() ? "Light page" : "Dark page";

// What scrolls sideways can be scrolled by keys.
function reachable() {
  for (const box of document.querySelectorAll(".scroll, pre")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
new ResizeObserver(reachable).observe(document.body);
})();
