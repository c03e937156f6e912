// Makes the maps of a page live. Each <figure class="atlas"> brings a still picture, its data as JSON (see atlas.rs) and,
// if there are thumbnails, all of them in one image. Without this script the still picture stays.
"use strict";
(() => {
  const PAD = 18; // pixels between the points and the edge
  const NEAR = 16; // a pointer this close to a point is on it
  const MOST_SHOWN = 200; // thumbnails of a selection
  const MOVE_MS = 500; // from one layout to the next
  const GREY = "#a8aeb6"; // points without a category

  // An element with its attributes (those starting with "on" are listeners) and children.
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value !== false) element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  };

  // The outline of a marker, the same shapes as in the still picture. Crosses are stroked.
  const SHAPES = [
    null,
    [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
    [[0, -1.2], [1.15, 0.85], [-1.15, 0.85]],
    [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
  ];
  const drawMarker = (context, x, y, radius, category, colour) => {
    const kind = Math.max(category, 0) % 5;
    context.fillStyle = context.strokeStyle = colour;
    context.beginPath();
    if (kind === 0) {
      context.arc(x, y, radius, 0, 2 * Math.PI);
    } else if (kind === 4) {
      const r = 0.95 * radius;
      context.moveTo(x - r, y - r);
      context.lineTo(x + r, y + r);
      context.moveTo(x - r, y + r);
      context.lineTo(x + r, y - r);
      context.lineWidth = 0.75 * radius;
      context.stroke();
      return;
    } else {
      for (const [dx, dy] of SHAPES[kind]) context.lineTo(x + radius * dx, y + radius * dy);
    }
    context.fill();
  };

  // Whether a point lies inside a polygon, by the even-odd rule.
  const inside = (polygon, [x, y]) => {
    let odd = false;
    for (let i = 0, j = polygon.length - 1; i !== polygon.length; j = i, i += 1) {
      const [[ax, ay], [bx, by]] = [polygon[i], polygon[j]];
      if (ay > y !== by > y && (bx - ax) * (y - ay) / (by - ay) + ax > x) odd = !odd;
    }
    return odd;
  };

  class Atlas {
    constructor(figure) {
      this.figure = figure;
      this.data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
      this.sprite = figure.querySelector(".atlas-sprite");
      this.count = this.data.images.length;
      this.time = this.data.frames.length - 1; // the layout shown; between two while points move
      this.colouring = this.data.colourings[0] || { name: "", categories: [], values: Array(this.count).fill(-1) };
      this.hidden = new Set(); // categories that are switched off
      this.selection = new Set();
      this.hover = this.pinned = null;
      this.view = { zoom: 1, x: 0, y: 0 };
      this.lassoing = false;
      this.lasso = null; // the polygon being drawn, in pixels
      this.pointers = new Map();
      this.build();
      new ResizeObserver(() => this.resize()).observe(this.canvas);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
      this.resize();
      this.showImage();
      this.showLegend();
      this.showSelection();
    }

    // What stands on the page.
    build() {
      const { frames, colourings, noun } = this.data;
      const button = (text, action, more = {}) => make("button", { type: "button", onclick: action, ...more }, text);
      this.canvas = make("canvas", {
        tabindex: "0",
        role: "img",
        "aria-label": `Map of ${this.count} ${noun}s. Arrow keys go from image to image, Enter selects, plus and minus zoom, 0 shows all, Escape lets go.`,
      });
      this.lassoButton = button("Lasso", () => this.setLasso(!this.lassoing), {
        "aria-pressed": "false",
        title: "Draw around points to select them; Shift adds to the selection",
      });
      const tools = make("div", { class: "atlas-tools" });
      if (colourings.length > 1) {
        const options = colourings.map((one, at) => make("option", { value: at }, one.name));
        this.select = make("select", { onchange: () => this.setColouring(Number(this.select.value)) }, ...options);
        tools.append(make("label", {}, "Colour by ", this.select));
      }
      tools.append(
        this.lassoButton,
        button("+", () => this.zoom(1.5), { "aria-label": "zoom in" }),
        button("−", () => this.zoom(1 / 1.5), { "aria-label": "zoom out" }),
        button("Show all", () => this.reset()),
      );
      if (frames.length > 1) {
        const last = frames.length - 1;
        this.slider = make("input", { type: "range", min: 0, max: last, step: 1, value: last, "aria-label": "layout" });
        this.slider.addEventListener("input", () => this.moveTo(Number(this.slider.value)));
        this.frameName = make("output", {}, frames[last].name);
        this.playButton = button("Play", () => this.play());
        tools.append(make("span", { class: "atlas-time" }, this.playButton, this.slider, this.frameName));
      }
      this.legend = make("div", { class: "atlas-legend", role: "group", "aria-label": "categories" });
      this.card = make("div", { class: "atlas-card", "aria-live": "polite" });
      this.list = make("div", { class: "atlas-selection", "aria-live": "polite" });
      const live = make(
        "div",
        { class: "atlas-live" },
        tools,
        make("div", { class: "atlas-main" }, make("div", { class: "atlas-map" }, this.canvas, this.legend), this.card),
        this.list,
      );
      this.figure.querySelector(".atlas-still").after(live);
      this.figure.classList.add("is-live");
      const listen = (name, action) => this.canvas.addEventListener(name, action, { passive: false });
      listen("pointerdown", (event) => this.pointerDown(event));
      listen("pointermove", (event) => this.pointerMove(event));
      listen("pointerup", (event) => this.pointerUp(event));
      listen("pointercancel", (event) => this.pointerUp(event));
      listen("pointerleave", () => this.setHover(null));
      listen("wheel", (event) => this.wheel(event));
      listen("keydown", (event) => this.key(event));
    }

    // Where point number `at` is, in pixels of the canvas; null if it has no place.
    place(at) {
      const { frames } = this.data;
      const [from, to] = [frames[Math.floor(this.time)].points, frames[Math.ceil(this.time)].points];
      const share = this.time - Math.floor(this.time);
      const along = (axis) => {
        const [a, b] = [from[2 * at + axis], to[2 * at + axis]];
        return a === null || b === null ? null : a + share * (b - a);
      };
      const [x, y] = [along(0), along(1)];
      if (x === null || y === null) return null;
      const { zoom, x: dx, y: dy } = this.view;
      const span = this.side - 2 * PAD;
      return [dx + zoom * (PAD + x * span), dy + zoom * (PAD + y * span)];
    }

    category(at) {
      return this.colouring.values[at];
    }

    visible(at) {
      return !this.hidden.has(this.category(at));
    }

    nameOf(category) {
      return category === -1 ? "none" : this.colouring.categories[category];
    }

    colourOf(category) {
      return category === -1 ? GREY : this.data.palette[category % this.data.palette.length];
    }

    // What an image is called, and its number where the name is something else.
    words(at) {
      const number = `${this.data.noun} ${this.data.images[at]}`;
      return this.data.names.length ? [this.data.names[at], number] : [number];
    }

    // The layout nearest to what is shown.
    frame() {
      return this.data.frames[Math.round(this.time)];
    }

    neighbours(at) {
      const { nearest, neighbours } = this.frame();
      return neighbours.slice(at * nearest, (at + 1) * nearest);
    }

    // Every colouring's category of an image, in words.
    categories(at) {
      return this.data.colourings.map((one) => {
        const category = one.values[at];
        return [one.name, category === -1 ? "none" : one.categories[category]];
      });
    }

    resize() {
      const side = this.canvas.clientWidth;
      if (!side) return;
      const ratio = window.devicePixelRatio || 1;
      this.side = side;
      this.canvas.width = this.canvas.height = Math.round(side * ratio);
      this.ratio = ratio;
      this.draw();
    }

    draw() {
      if (!this.side) return;
      const context = this.canvas.getContext("2d");
      const style = getComputedStyle(this.figure);
      const [ink, paper] = [style.getPropertyValue("--ink"), style.getPropertyValue("--paper")];
      context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
      context.clearRect(0, 0, this.side, this.side);
      const base = this.count > 2500 ? 2.4 : this.count > 600 ? 3 : 4;
      const radius = Math.min(base * Math.sqrt(this.view.zoom * Math.min(this.side / 560, 1)), 9);
      for (let at = 0; at !== this.count; at += 1) {
        const place = this.visible(at) ? this.place(at) : null;
        if (!place) continue;
        context.globalAlpha = !this.selection.size || this.selection.has(at) ? 0.8 : 0.2;
        drawMarker(context, ...place, radius, this.category(at), this.colourOf(this.category(at)));
      }
      context.globalAlpha = 1;
      this.drawFocus(context, radius, ink, paper);
      if (this.lasso) {
        context.strokeStyle = ink;
        context.lineWidth = 1.5;
        context.setLineDash([5, 4]);
        context.beginPath();
        this.lasso.forEach(([x, y]) => context.lineTo(x, y));
        context.closePath();
        context.stroke();
        context.setLineDash([]);
      }
    }

    // The image in focus, and lines to its nearest others by features.
    drawFocus(context, radius, ink, paper) {
      const at = this.focus();
      const place = at === null ? null : this.place(at);
      if (!place) return;
      context.strokeStyle = ink;
      context.lineWidth = 1;
      for (const other of this.neighbours(at)) {
        const end = this.place(other);
        if (!end) continue;
        context.beginPath();
        context.moveTo(...place);
        context.lineTo(...end);
        context.stroke();
      }
      for (const [size, colour] of [[radius + 5, ink], [radius + 3, paper]]) {
        context.fillStyle = colour;
        context.beginPath();
        context.arc(...place, size, 0, 2 * Math.PI);
        context.fill();
      }
      drawMarker(context, ...place, radius + 1, this.category(at), this.colourOf(this.category(at)));
    }

    focus() {
      return this.hover !== null ? this.hover : this.pinned;
    }

    // The visible point nearest to a place in pixels, if it is near.
    nearest(x, y, near = NEAR) {
      let [best, least] = [null, near * near];
      for (let at = 0; at !== this.count; at += 1) {
        const place = this.visible(at) ? this.place(at) : null;
        if (!place) continue;
        const distance = (place[0] - x) ** 2 + (place[1] - y) ** 2;
        if (distance <= least) [best, least] = [at, distance];
      }
      return best;
    }

    // A small picture of an image, `scale` times its size; its number where there are no thumbnails.
    thumbnail(at, scale) {
      const { sprite } = this.data;
      if (!sprite) return make("span", { class: "atlas-number" }, `#${this.data.images[at]}`);
      const canvas = make("canvas", { width: sprite.side, height: sprite.side });
      canvas.style.width = `${sprite.side * scale}px`;
      const paint = () => {
        const [column, row] = [at % sprite.columns, Math.floor(at / sprite.columns)];
        const corner = [column * sprite.pitch, row * sprite.pitch];
        canvas.getContext("2d").drawImage(this.sprite, ...corner, sprite.side, sprite.side, 0, 0, sprite.side, sprite.side);
      };
      if (this.sprite.complete) paint();
      else this.sprite.addEventListener("load", paint, { once: true });
      return canvas;
    }

    // A thumbnail to press, which shows that image.
    chip(at) {
      const words = [...this.words(at), ...this.categories(at).map((pair) => pair.join(": "))];
      const scale = this.data.sprite ? Math.max(1, 40 / this.data.sprite.side) : 1;
      return make("button", {
        type: "button",
        class: "atlas-chip",
        style: `border-color: ${this.colourOf(this.category(at))}`,
        title: words.join(", "),
        "aria-label": words.join(", "),
        onclick: () => this.pin(at),
      }, this.thumbnail(at, scale));
    }

    // The image in focus with its nearest others.
    showImage() {
      const at = this.focus();
      if (at === null) {
        const hint = "Point at an image, or tap it, to see it and those nearest to it by their features.";
        this.card.replaceChildren(make("p", { class: "muted" }, hint));
        return;
      }
      const facts = this.categories(at).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
      const scale = this.data.sprite ? Math.max(1, Math.floor(144 / this.data.sprite.side)) : 1;
      const nearest = this.neighbours(at).map((other) => this.chip(other));
      const [name, ...number] = this.words(at);
      this.card.replaceChildren(
        make("div", { class: "atlas-large" }, this.thumbnail(at, scale)),
        make("p", { class: "atlas-name" }, make("strong", {}, name), ...number.map((one) => make("span", { class: "muted" }, one))),
        make("dl", {}, ...facts),
        ...(nearest.length ? [make("p", { class: "muted" }, "Nearest by features:"), make("div", { class: "atlas-chips" }, ...nearest)] : []),
      );
    }

    showLegend() {
      const counts = new Map();
      this.colouring.values.forEach((category) => counts.set(category, (counts.get(category) || 0) + 1));
      const order = [...counts.keys()].sort((a, b) => (a === -1) - (b === -1) || a - b);
      this.legend.replaceChildren(...(this.colouring.name ? order : []).map((category) => {
        const swatch = make("canvas", { width: 28, height: 28, "aria-hidden": "true" });
        drawMarker(swatch.getContext("2d"), 14, 14, 9, category, this.colourOf(category));
        return make("button", {
          type: "button",
          "aria-pressed": String(!this.hidden.has(category)),
          title: "Show or hide",
          onclick: () => this.toggle(category),
        }, swatch, `${this.nameOf(category)} (${counts.get(category)})`);
      }));
    }

    showSelection() {
      const chosen = [...this.selection].sort((a, b) => a - b);
      if (!chosen.length) {
        this.list.replaceChildren();
        return;
      }
      const counts = new Map();
      chosen.forEach((at) => counts.set(this.category(at), (counts.get(this.category(at)) || 0) + 1));
      const rows = [...counts].sort((a, b) => b[1] - a[1]).map(([category, count]) =>
        make("tr", {}, make("th", { scope: "row" }, this.nameOf(category)), make("td", { class: "number" }, String(count))));
      const named = this.data.names.length !== 0;
      const names = chosen.map((at) => make("li", {}, this.words(at)[0]));
      const button = (text, action) => make("button", { type: "button", onclick: action }, text);
      const said = make("output", {});
      const copy = () => navigator.clipboard.writeText(this.csv())
        .then(() => said.replaceChildren("copied"), () => said.replaceChildren("this browser does not allow it; use Download"));
      const more = chosen.length > MOST_SHOWN ? `The first ${MOST_SHOWN} of ${chosen.length} are shown.` : "";
      this.list.replaceChildren(
        make("p", {}, make("strong", {}, `${chosen.length} ${this.data.noun}${chosen.length === 1 ? "" : "s"} selected `),
          button("Copy as CSV", copy), button("Download CSV", () => this.download()), button("Clear", () => this.choose([])), said),
        make("div", { class: "wide" }, make("table", {}, make("tbody", {}, ...(this.colouring.name ? rows : [])))),
        make("div", { class: "atlas-chips" }, ...chosen.slice(0, MOST_SHOWN).map((at) => this.chip(at))),
        make("p", { class: "muted" }, more),
        make("details", {}, make("summary", {}, named ? "Their names" : "Their numbers"), make("ul", { class: "atlas-names" }, ...names)),
      );
    }

    // The selected images as CSV: their numbers, their names where they have any, and a column for every colouring.
    csv() {
      const quoted = (text) => /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
      const line = (fields) => fields.map((field) => quoted(String(field))).join(",");
      const rows = [...this.selection].sort((a, b) => a - b).map((at) =>
        line([this.data.images[at], ...this.data.names.slice(at, at + 1), ...this.categories(at).map(([, value]) => value)]));
      const name = this.data.names.length ? ["name"] : [];
      return [line(["index", ...name, ...this.data.colourings.map((one) => one.name)]), ...rows].join("\n") + "\n";
    }

    download() {
      const link = make("a", { href: `data:text/csv;charset=utf-8,${encodeURIComponent(this.csv())}`, download: "selection.csv" });
      link.click();
    }

    setHover(at) {
      if (at === this.hover) return;
      this.hover = at;
      this.showImage();
      this.draw();
    }

    pin(at) {
      this.pinned = at;
      this.hover = null;
      this.showImage();
      this.draw();
    }

    choose(chosen, keep = false) {
      this.selection = new Set(keep ? [...this.selection, ...chosen] : chosen);
      this.showSelection();
      this.draw();
    }

    toggle(category) {
      if (!this.hidden.delete(category)) this.hidden.add(category);
      this.showLegend();
      this.draw();
    }

    setColouring(at) {
      this.colouring = this.data.colourings[at];
      this.hidden.clear();
      this.showLegend();
      this.showImage();
      this.showSelection();
      this.draw();
    }

    setLasso(on) {
      this.lassoing = on;
      this.lassoButton.setAttribute("aria-pressed", String(on));
      this.canvas.classList.toggle("is-lasso", on);
      this.takeTouch();
    }

    // One finger scrolls the page while it has nothing to do on the map.
    takeTouch() {
      this.canvas.style.touchAction = this.lassoing || this.view.zoom > 1 ? "none" : "pan-y";
    }

    reset() {
      this.view = { zoom: 1, x: 0, y: 0 };
      this.takeTouch();
      this.draw();
    }

    zoom(factor, x = this.side / 2, y = this.side / 2) {
      const zoom = Math.min(Math.max(this.view.zoom * factor, 1), 60);
      const ratio = zoom / this.view.zoom;
      this.view = { zoom, x: x - ratio * (x - this.view.x), y: y - ratio * (y - this.view.y) };
      if (zoom === 1) this.view = { zoom, x: 0, y: 0 };
      this.takeTouch();
      this.draw();
    }

    // From the layout shown to another one, so that eyes can follow the points.
    moveTo(target, then = () => {}) {
      const [from, start] = [this.time, performance.now()];
      this.frameName.replaceChildren(this.data.frames[target].name);
      this.slider.value = target;
      const ms = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : MOVE_MS;
      const turn = this.turn = {}; // a later move ends this one
      const step = (now) => {
        if (this.turn !== turn) return;
        const share = ms ? Math.min(Math.max((now - start) / ms, 0), 1) : 1;
        this.time = share === 1 ? target : from + (target - from) * share;
        this.draw();
        if (share === 1) {
          this.showImage();
          then();
        } else {
          requestAnimationFrame(step);
        }
      };
      step(start);
    }

    play() {
      const last = this.data.frames.length - 1;
      const next = (at) => at > last ? undefined : this.moveTo(at, () => setTimeout(() => {
        if (Number(this.slider.value) === at) next(at + 1);
      }, 300));
      this.moveTo(0, () => next(1));
    }

    at(event) {
      const box = this.canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    }

    pointerDown(event) {
      const place = this.at(event);
      this.pointers.set(event.pointerId, place);
      // A synthetic pointer cannot be captured; a real one is, so that a drag may leave the map.
      try { this.canvas.setPointerCapture(event.pointerId); } catch { /* nothing to follow */ }
      this.start = place;
      this.dragged = false;
      if (this.lassoing && this.pointers.size === 1) this.lasso = [place];
    }

    pointerMove(event) {
      const place = this.at(event);
      const before = this.pointers.get(event.pointerId);
      if (!before) {
        this.setHover(this.nearest(...place));
        return;
      }
      if (Math.hypot(place[0] - this.start[0], place[1] - this.start[1]) > 4) this.dragged = true;
      this.pointers.set(event.pointerId, place);
      if (this.pointers.size === 2) {
        this.pinch(event.pointerId, before, place);
      } else if (this.lasso) {
        this.lasso.push(place);
        this.draw();
      } else if (this.dragged && (event.pointerType !== "touch" || this.view.zoom > 1)) {
        this.view = { ...this.view, x: this.view.x + place[0] - before[0], y: this.view.y + place[1] - before[1] };
        this.draw();
      }
    }

    // Two fingers: zoom about the one that rests, and follow the one that moves.
    pinch(moved, before, now) {
      this.lasso = null;
      const [, rest] = [...this.pointers].find(([id]) => id !== moved);
      const distance = (a) => Math.max(Math.hypot(a[0] - rest[0], a[1] - rest[1]), 1);
      this.zoom(distance(now) / distance(before), ...rest);
    }

    pointerUp(event) {
      if (!this.pointers.delete(event.pointerId)) return;
      if (this.lasso && this.dragged) {
        const all = Array.from({ length: this.count }, (_, at) => at).filter((at) => this.visible(at));
        this.choose(all.filter((at) => this.place(at) && inside(this.lasso, this.place(at))), event.shiftKey);
      } else if (!this.dragged) {
        this.pin(this.nearest(...this.at(event), event.pointerType === "touch" ? 2 * NEAR : NEAR));
      }
      this.lasso = null;
      this.draw();
    }

    // The wheel scrolls the page until the map is in focus.
    wheel(event) {
      if (document.activeElement !== this.canvas && !event.ctrlKey) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), ...this.at(event));
    }

    key(event) {
      const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const direction = directions[event.key];
      if (direction) this.step(direction);
      else if (event.key === "+" || event.key === "=") this.zoom(1.5);
      else if (event.key === "-") this.zoom(1 / 1.5);
      else if (event.key === "0") this.reset();
      else if (event.key === "Escape") this.pinned === null ? this.choose([]) : this.pin(null);
      else if ((event.key === "Enter" || event.key === " ") && this.pinned !== null) {
        const on = this.selection.has(this.pinned);
        this.choose(on ? [...this.selection].filter((at) => at !== this.pinned) : [this.pinned], !on);
      } else return;
      event.preventDefault();
    }

    // To the nearest visible image in a direction, from the one in focus or the middle.
    step([dx, dy]) {
      const here = this.pinned === null ? [this.side / 2, this.side / 2] : this.place(this.pinned);
      if (!here) return;
      let [best, least] = [null, Infinity];
      for (let at = 0; at !== this.count; at += 1) {
        const place = at !== this.pinned && this.visible(at) ? this.place(at) : null;
        if (!place) continue;
        const [x, y] = [place[0] - here[0], place[1] - here[1]];
        const along = x * dx + y * dy;
        const across = Math.abs(x * dy) + Math.abs(y * dx);
        if (along > 0 && across <= 1.5 * along && Math.hypot(x, y) < least) [best, least] = [at, Math.hypot(x, y)];
      }
      if (best !== null) this.pin(best);
    }
  }

  for (const figure of document.querySelectorAll("figure.atlas")) figure.atlas = new Atlas(figure);
})();
