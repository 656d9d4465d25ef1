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
  const whole = new Set(); // charts whose axes go from 0 to 1
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
    return { ...trace, line: { ...trace.line, color: token, width: meta.width }, ...marker };
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
    return painted({ ...base, ...ranged(layout, id), ...size, ...drag }, "");
  }

  const printHeight = (plot) => Math.max(paper.height, Math.min(parseInt(plot.style.getPropertyValue("--height")) * 0.8, 600));

  // --- drawing

  // The camera's button again, for papers: lines and letters instead of dots.
  const asSvg = {
    name: "toSvg",
    title: "Download plot as an SVG",
    icon: Plotly.Icons.disk,
    click: (plot) => Plotly.downloadImage(plot, { format: "svg", filename: page.name + "-" + plot.id.slice("plot-".length) }),
  };
  const config = {
    responsive: true,
    displaylogo: false,
    // Named one by one: Plotly's own choice has a button that sends the chart away.
    modeBarButtons: [["toImage", asSvg], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]],
    showSendToCloud: false,
    typesetMath: false, // a name may hold dollar signs
    plotlyServerURL: "",
    toImageButtonOptions: { format: "png", scale: 2 },
  };

  function draw(id) {
    const plot = document.getElementById("plot-" + id);
    const figure = page.figures[id];
    const named = { ...config, toImageButtonOptions: { ...config.toImageButtonOptions, filename: page.name + "-" + id } };
    return Plotly.react(plot, figure.data.map((trace) => styled(trace, id)), arranged(figure.layout, plot, id), named);
  }

  // A chart is drawn when it comes near the window, and again when it has changed since: opening costs what is seen.
  const near = new Set();
  const stale = new Set();
  const watcher = new IntersectionObserver(seen, { rootMargin: "400px 0px" });

  function seen(entries) {
    for (const entry of entries) {
      const id = entry.target.id.slice("plot-".length);
      if (entry.isIntersecting) near.add(id);
      else near.delete(id);
    }
    drawStale();
  }

  async function drawStale() {
    const due = [...stale].filter((id) => printing || near.has(id));
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
  for (const button of document.querySelectorAll("[data-axis]")) {
    button.addEventListener("click", () => {
      const id = button.dataset.axis;
      if (!whole.delete(id)) whole.add(id);
      button.setAttribute("aria-pressed", whole.has(id));
      draw(id);
    });
  }
  for (const slider of document.querySelectorAll("input[data-frames]")) {
    slider.addEventListener("input", () => {
      frames[slider.dataset.frames] = Number(slider.value);
      const text = page.sliders[slider.dataset.frames][slider.value];
      slider.setAttribute("aria-valuetext", text);
      slider.nextElementSibling.value = "after " + text;
      draw(slider.dataset.frames);
    });
  }
  for (const select of document.querySelectorAll("select[data-frames]")) {
    select.addEventListener("input", () => {
      frames[select.dataset.frames] = Number(select.value);
      draw(select.dataset.frames);
    });
  }
  const printed = (now) => {
    printing = now;
    return drawAll();
  };
  addEventListener("beforeprint", () => printed(true));
  addEventListener("afterprint", () => printed(false));
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  for (const plot of document.querySelectorAll(".plot")) watcher.observe(plot);
  drawAll();
})();
