"use strict";
// Keeps a page in step with the server: when something is new it asks for what is near the window, and changes that alone.
// What a reader has done stays: zoom, chosen nodes, sliders, where tables are scrolled to, what is unfolded, where the focus is.
(() => {
  const { near, give, page, watch } = window.report;
  const word = document.getElementById("live");
  const main = document.querySelector("main");
  const shown = {}; // The version of each section that stands here.
  let version = page.version;
  let busy = false;
  let over = false;

  const say = (text, kind) => {
    if (word.textContent !== text) word.textContent = text;
    word.dataset.kind = kind;
  };

  // --- what is asked for

  async function refresh() {
    // Who does not look is told later; the last state is fetched while there is somebody to ask.
    if (busy || (document.hidden && !over)) return;
    busy = true;
    try {
      for (let wanted = due(); wanted.length; wanted = due()) await ask(wanted);
      if (!over) say(page.goes_on ? `following; last change ${new Date().toISOString().slice(11, 19)} UTC` : "over: nothing more comes", page.goes_on ? "on" : "off");
    } catch {
      if (!over) say("the server does not answer: trying again", "lost");
    } finally {
      busy = false;
    }
  }

  function due() {
    const sections = over ? [...main.children].map((one) => one.id) : [...near];
    const old = sections.filter((id) => shown[id] !== version);
    return old.length || shown[""] !== version ? ["", ...old] : [];
  }

  async function ask(wanted) {
    const asked = version;
    const answer = await fetch(page.update + "?near=" + encodeURIComponent(wanted.filter(Boolean).join(" ")));
    if (!answer.ok) throw new Error(answer.status);
    const news = await answer.json();
    page.goes_on = news.goes_on;
    if (version === asked) version = news.version; // else something newer was announced meanwhile, and is asked for next
    take(news.head, document.querySelector("header"));
    for (const [id, group] of Object.entries(news.groups)) place(document.getElementById(id), group);
    for (const id of wanted) shown[id] = news.version;
    await give(news.figures, news.sliders, news.modes);
    document.documentElement.dataset.version = news.version;
  }

  // --- what is changed

  function parsed(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  }

  function take(html, element) {
    const fresh = element.cloneNode(false);
    fresh.append(parsed(html));
    morph(element, fresh);
  }

  // The sections of a group stand one behind the other; the one that it is named after is always there.
  function place(before, group) {
    if (!before) return location.reload(); // the run has only begun to be one
    for (const html of group) {
      const fresh = parsed(html).firstElementChild;
      const old = document.getElementById(fresh.id);
      if (old) morph(old, fresh);
      else before.after(fresh);
      before = document.getElementById(fresh.id);
      if (!old) watch(before);
    }
    return undefined;
  }

  function morph(old, fresh) {
    if (old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
    if (old.nodeType === Node.TEXT_NODE) return old.data === fresh.data || (old.data = fresh.data);
    if (old.nodeType !== Node.ELEMENT_NODE) return undefined;
    attributes(old, fresh);
    // What is inside these is not the server's but the drawing library's, or the reader's.
    if (!old.matches(".plot, .slide, .modes")) children(old, fresh);
    return undefined;
  }

  const READERS = ["aria-pressed", "open"]; // What these say the reader has chosen.

  function attributes(old, fresh) {
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) === value || READERS.includes(name) || (name === "class" && old.matches(".plot"))) continue;
      old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !READERS.includes(name)) old.removeAttribute(name);
    }
  }

  function children(old, fresh) {
    const news = [...fresh.childNodes];
    for (const [place, one] of news.entries()) {
      const here = old.childNodes[place];
      if (here) morph(here, one);
      else old.append(one);
    }
    while (old.childNodes.length > news.length) old.lastChild.remove();
  }

  // --- when

  const source = new EventSource(page.events);
  source.addEventListener("message", (event) => {
    version = Number(event.data);
    refresh();
  });
  source.addEventListener("end", async (event) => {
    over = true;
    version = Number(event.data);
    say("dfl-actors has ended: this page no longer follows. Open it again with: dfl-actors watch", "off");
    while (busy) await new Promise((done) => setTimeout(done, 20));
    await refresh();
    source.close();
    // What was still being read is never read any more.
    for (const one of main.querySelectorAll("p")) {
      const text = one.textContent.replace("reading the chain …", "not read").replace("is being read …", "was not read.");
      if (text !== one.textContent) one.textContent = text;
    }
  });
  source.addEventListener("error", () => over || say("the server does not answer: trying again", "lost"));
  document.addEventListener("visibilitychange", refresh);
  window.report.seen = refresh;
  // A node of the graph leads to its page.
  window.report.clicked = (point) => {
    const meta = point.data.meta || {};
    if (meta.keep && page.nodes_at) location.assign(page.nodes_at + encodeURIComponent(meta.node));
  };
  refresh();
})();
