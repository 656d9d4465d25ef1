"use strict";
// Draws the charts of the page and keeps them in step with the colour scheme, the width, the printer and the chosen nodes.
// The figures come ready from the program; see page/plotly.py for what "meta" says and what a colour "@name" is.
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 640px)");
  const touch = matchMedia("(pointer: coarse)");
  const paper = { width: 690, height: 270, square: 380 };
  const chosen = new Set(page.crowd ? [] : page.nodes);
  const frames = {};
  const modes = {}; // What is chosen of what a chart can show.
  const whole = new Set(); // charts whose axes go from 0 to 1
  const zoomed = {}; // What a reader has moved the axes of a plot to.
  let printing = false;

  const palette = () => page.palettes[dark.matches && !printing ? "dark" : "light"];
  // The first two colours are those of the crowd itself.
  const attackers = new Set(page.attackers);
  const tokenOf = (node) => attackers.has(node) ? "@alarm" : "@node" + (page.crowd ? 2 + ([...chosen].indexOf(node) % 8) : page.nodes.indexOf(node));
  const colour = (token) => palette()[token.slice(1)];
  // In a crowd nobody chosen means everybody.
  const kept = (node) => node === null || chosen.size === 0 || chosen.has(node);

  // --- figures as they are shown now

  function painted(value, key) {
    if (typeof value === "string") return /color(scale)?$/.test(key) && value[0] === "@" ? colour(value) : value;
    if (key === "ticktext") return value.map((text) => text.replace(/(<span style="color:)(@\w+)/, (_, before, token) => before + colour(token)));
    if (Array.isArray(value)) return value.length && typeof value[0] === "object" && value[0] ? value.map((one) => painted(one, key)) : value;
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, painted(one, name)]));
    return value;
  }

  function styled(trace, id) {
    const meta = trace.meta || {};
    let shown = trace;
    if (meta.frames) shown = { ...shown, z: meta.frames[frames[id] ?? meta.frames.length - 1] };
    if (meta.rows && chosen.size) shown = cut(shown, meta);
    // Numbers do not fit into the cells of a narrow matrix.
    if (shown.texttemplate && narrow.matches && !printing && shown.x.length > 6) shown = { ...shown, texttemplate: "" };
    if (meta.node !== undefined && !meta.keep) shown = chosen.has(meta.node) ? forward(shown, meta) : back(shown);
    if (meta.keep && chosen.size) shown = standing(shown, meta);
    return painted(shown, "");
  }

  function cut(trace, meta) {
    const arrays = meta.cut.map((name) => [name, trace[name].filter((_, place) => kept(meta.rows[place]))]);
    return { ...trace, ...Object.fromEntries(arrays) };
  }

  function forward(trace, meta) {
    const token = tokenOf(meta.node);
    const marker = trace.marker ? { marker: { ...trace.marker, color: token } } : {};
    // Picked out of few, a thin line is no longer one of many.
    const width = meta.width * (page.crowd || chosen.size === page.nodes.length ? 1 : 1.6);
    return { ...trace, line: { ...trace.line, color: token, width }, ...marker };
  }

  function back(trace) {
    if (page.crowd) return chosen.size && trace.line.color === "@crowd" ? { ...trace, line: { ...trace.line, color: "@crowdfaint" } } : trace;
    const { hovertemplate, marker, ...rest } = trace;
    return { ...rest, mode: "lines", hoverinfo: "skip", line: { ...trace.line, color: "@faint", width: 1 } };
  }

  function standing(trace, meta) {
    const here = chosen.has(meta.node);
    return { ...trace, opacity: here ? 1 : 0.3, marker: { ...trace.marker, color: page.crowd && here ? tokenOf(meta.node) : trace.marker.color } };
  }

  function ranged(layout, id) {
    const shown = structuredClone(layout);
    if (!layout.meta) return shown;
    for (const [axis, range] of Object.entries(layout.meta.whole)) {
      if (whole.has(id)) shown[axis].range = range;
      shown[axis].uirevision = String(whole.has(id));
    }
    return shown;
  }

  function arranged(layout, plot, id) {
    const small = narrow.matches && !printing;
    const base = {
      autosize: !printing,
      font: { family: getComputedStyle(document.body).fontFamily, size: small ? 11 : 12.5, color: "@ink" },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      hoverlabel: { bgcolor: "@ground", bordercolor: "@line", font: { color: "@ink", size: 12.5 }, align: "left", namelength: -1 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: "@muted", activecolor: "@ink" },
      uirevision: "same",
    };
    const size = !printing ? {} : { width: paper.width, height: plot.classList.contains("square") ? paper.square : printHeight(plot) };
    // A finger that moves over a chart wants to move the page.
    const drag = touch.matches || small ? { dragmode: false } : {};
    const shown = ranged(layout, id);
    for (const [axis, range] of Object.entries(zoomed[id] || {})) shown[axis] = { ...shown[axis], range: [...range], autorange: false };
    return painted({ ...base, ...shown, ...size, ...drag }, "");
  }

  // Names of nodes beside a narrow drawing leave it more room; sentences, which stand beside lying bars, stay whole.
  const LETTERS = /(^|>)((?:&[^;]+;|[^<>&]){12})(?:&[^;]+;|[^<>&]){2,}/;
  function briefly(layout, data) {
    if (!narrow.matches || printing || !data.length || data[0].orientation === "h") return layout;
    const brief = (axis) => (axis && axis.ticktext ? { ...axis, ticktext: axis.ticktext.map((text) => text.replace(LETTERS, "$1$2…")) } : axis);
    return { ...layout, xaxis: brief(layout.xaxis), yaxis: brief(layout.yaxis) };
  }

  // Of many names on an axis there is room for some: for those of nodes that are not like others first.
  const MOST_NAMES = 13;
  function thinned(layout, data) {
    const { thin = [], rows = [], cut = [] } = (data[0] && data[0].meta) || {};
    const few = (axis) => some(layout[axis], cut.includes(axis[0]) ? rows : [], axis === "yaxis" && !narrow.matches ? 0.3 : 0.6);
    return { ...layout, ...Object.fromEntries(thin.filter((axis) => layout[axis]).map((axis) => [axis, few(axis)])) };
  }

  function some(axis, rows, near) {
    const there = axis.tickvals.map((_, place) => place).filter((place) => !rows.length || kept(rows[place]));
    const taken = [];
    const apart = there.length / MOST_NAMES;
    for (const marked of [true, false]) {
      there.forEach((place, at) => {
        const free = taken.every((other) => Math.abs(other - at) >= (marked ? near * apart : apart));
        if (axis.ticktext[place].includes("<span") === marked && free) taken.push(at);
      });
    }
    const places = taken.sort((one, other) => one - other).map((at) => there[at]);
    return { ...axis, tickvals: places.map((place) => axis.tickvals[place]), ticktext: places.map((place) => axis.ticktext[place]) };
  }

  const printHeight = (plot) => Math.max(paper.height, Math.min(parseInt(plot.style.getPropertyValue("--height")) * 0.75, 600));

  // --- drawing

  // The camera's button again, for papers: lines and letters instead of dots.
  const asSvg = {
    name: "toSvg",
    title: "Download plot as an SVG",
    icon: Plotly.Icons.disk,
    click: (plot) => Plotly.downloadImage(plot, { format: "svg", filename: page.name + "-" + plot.id.slice("plot-".length) }),
  };
  const reset = { name: "reset", title: "Reset axes", icon: Plotly.Icons.home, click: (plot) => unzoom(plot.id.slice("plot-".length)) };
  const config = {
    responsive: true,
    displaylogo: false,
    // Named one by one: Plotly's own choice has a button that sends the chart away.
    modeBarButtons: [["toImage", asSvg], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", reset]],
    doubleClick: false, // Plotly would go back to what it showed first, which a run that goes on has outgrown
    showSendToCloud: false,
    typesetMath: false, // a name may hold dollar signs
    plotlyServerURL: "",
    toImageButtonOptions: { format: "png", scale: 2 },
  };

  function draw(id) {
    const plot = document.getElementById("plot-" + id);
    const figure = (page.modes[id] || {})[modes[id]] || page.figures[id];
    const named = { ...config, toImageButtonOptions: { ...config.toImageButtonOptions, filename: page.name + "-" + id } };
    const drawn = Plotly.react(plot, figure.data.map((trace) => styled(trace, id)), arranged(briefly(thinned(figure.layout, figure.data), figure.data), plot, id), named);
    if (!wired.has(plot)) wire(plot, id);
    return drawn;
  }

  const wired = new WeakSet();

  function wire(plot, id) {
    wired.add(plot);
    plot.on("plotly_click", (event) => report.clicked(event.points[0]));
    plot.on("plotly_doubleclick", () => unzoom(id));
    plot.on("plotly_relayout", (change) => {
      for (const key of Object.keys(change)) {
        const [, axis] = key.match(/^([xy]axis\d*)\.range/) || [];
        if (axis) zoomed[id] = { ...zoomed[id], [axis]: [...plot.layout[axis].range] };
      }
    });
  }

  function unzoom(id) {
    delete zoomed[id];
    return draw(id);
  }

  // A chart is drawn when it comes near the window, and again when it has changed since: opening costs what is seen.
  const near = new Set();
  const stale = new Set();
  const watcher = new IntersectionObserver(seen, { rootMargin: "400px 0px" });

  function seen(entries) {
    for (const entry of entries) {
      if (entry.isIntersecting) near.add(entry.target.id);
      else near.delete(entry.target.id);
    }
    report.seen();
    drawStale();
  }

  async function drawStale() {
    const due = [...stale].filter((id) => (printing || near.has(id)) && document.getElementById("plot-" + id));
    due.forEach((id) => stale.delete(id));
    await Promise.all(due.map(draw));
    // For whoever waits until the charts stand.
    const root = document.documentElement;
    if (due.length) root.dataset.drawn = Number(root.dataset.drawn || 0) + 1;
  }

  function drawAll() {
    for (const chip of document.querySelectorAll(".chip[data-node]")) {
      const on = chosen.has(chip.dataset.node);
      chip.setAttribute("aria-pressed", on);
      if (on || !page.crowd) chip.style.setProperty("--chosen", colour(tokenOf(chip.dataset.node)));
      else chip.style.removeProperty("--chosen");
    }
    const counted = document.getElementById("counted");
    if (counted) counted.textContent = chosen.size ? `${chosen.size} of ${page.nodes.length} chosen` : "none chosen: all are shown alike";
    Object.keys(page.figures).forEach((id) => stale.add(id));
    return drawStale();
  }

  // --- what people do

  for (const chip of document.querySelectorAll(".chip[data-node]")) {
    chip.addEventListener("click", () => {
      if (!chosen.delete(chip.dataset.node)) chosen.add(chip.dataset.node);
      drawAll();
    });
  }
  for (const button of document.querySelectorAll("[data-choose]")) {
    button.addEventListener("click", () => {
      chosen.clear();
      if (button.dataset.choose === "all") page.nodes.forEach((node) => chosen.add(node));
      drawAll();
    });
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-axis]");
    if (!button) return;
    const id = button.dataset.axis;
    if (!whole.delete(id)) whole.add(id);
    button.setAttribute("aria-pressed", whole.has(id));
    unzoom(id);
  });
  document.addEventListener("input", (event) => {
    const chooser = event.target;
    if (chooser.dataset.mode) {
      modes[chooser.dataset.mode] = chooser.value;
      draw(chooser.dataset.mode);
    }
    if (!chooser.dataset.frames) return;
    frames[chooser.dataset.frames] = Number(chooser.value);
    slide(chooser);
    draw(chooser.dataset.frames);
  });

  function slide(slider) {
    if (slider.type !== "range") return;
    const text = page.sliders[slider.dataset.frames][slider.value];
    slider.setAttribute("aria-valuetext", text);
    slider.nextElementSibling.value = "after " + text;
  }

  // --- a page that follows its run is given figures as they come (`watch/live.js`)

  // A slider stays at its moment and a choice as it is, or at the end if it stood there.
  function give(figures, sliders, others) {
    Object.assign(page.modes, others);
    for (const [id, moments] of Object.entries(sliders)) {
      const before = page.sliders[id];
      const at = frames[id];
      page.sliders[id] = moments;
      delete frames[id];
      const chooser = document.querySelector(`[data-frames="${id}"]`);
      if (!chooser) continue;
      if (before && at < before.length - 1) frames[id] = nearest(moments, before[at]);
      if (chooser.type === "range") chooser.max = moments.length - 1;
      chooser.value = frames[id] ?? moments.length - 1;
      slide(chooser);
    }
    for (const [id, figure] of Object.entries(figures)) {
      page.figures[id] = figure;
      stale.add(id);
    }
    return drawStale();
  }

  function nearest(moments, text) {
    const exact = moments.indexOf(text);
    if (exact >= 0) return exact;
    const number = (one) => parseFloat(one.replace(/^[^0-9]*/, ""));
    const gaps = moments.map((one) => Math.abs(number(one) - number(text)));
    const place = gaps.indexOf(Math.min(...gaps));
    return place < 0 ? undefined : place;
  }

  const report = { near, give, page, watch: (section) => watcher.observe(section), seen: () => {}, clicked: () => {} };
  window.report = report;
  const printed = (now) => {
    printing = now;
    return drawAll();
  };
  addEventListener("beforeprint", () => printed(true));
  addEventListener("afterprint", () => printed(false));
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  for (const section of document.querySelectorAll("main > section")) watcher.observe(section);
  drawAll();
})();
