// What a browser draws of a View: a picture before and after with its marks, or a page of thumbnails.
// Text is set as text, never as HTML; pictures come as binary messages and leave no trace in the notebook.

const SVG = "http://www.w3.org/2000/svg";
const CLICK = 4; // screen pixels: a shorter drag is a click
const CORNER = 6; // radius of a corner's handle, in screen pixels
const FARTHEST = 16; // zoom

function make(tag, facts = {}, ...children) {
  const element = tag.includes(":") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

// a picture's address in this page; the one before is given back
function put(image, bytes) {
  drop(image);
  image.src = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
}

function drop(image) {
  if (image.src) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
}

// the key of an event as the list of actions writes it: "A", "Delete", "Control-Shift-Z"
function pressed(event) {
  if (event.altKey) return "";
  const control = event.ctrlKey || event.metaKey;
  const letter = event.key.length === 1;
  if (letter && event.shiftKey && !control) return "";
  const name = letter ? event.key.toUpperCase() : event.key === "Backspace" ? "Delete" : event.key;
  return `${control ? "Control-" : ""}${control && event.shiftKey ? "Shift-" : ""}${name}`;
}

const shownKey = (key) => key.replace("Control-", "Ctrl+").replace("Shift-", "Shift+").replace("Delete", "Del");

// hear changes of a model until the view goes
function listening(model) {
  const heard = [];
  return {
    on(names, callback) {
      for (const name of names.split(" ")) {
        model.on(name, callback);
        heard.push([name, callback]);
      }
    },
    end: () => heard.forEach(([name, callback]) => model.off(name, callback)),
  };
}

// ipywidgets' sliders have a label beside them that no screen reader connects with the handle
function nameSliders() {
  for (const slider of document.querySelectorAll(".bt-form .widget-slider")) {
    slider.querySelector('[role="slider"]')?.setAttribute("aria-label", slider.querySelector("label")?.textContent ?? "");
  }
}

function said(mark, word) {
  const score = mark.score === null ? "" : `, score ${mark.score.toFixed(2)}`;
  return `${mark.kind}${score}${word ? `, ${word}` : ""}`;
}

// What came before a view was there, by widget: a cell that runs keeps the kernel from answering a view that asks.
const early = new Map();

function initialize({ model }) {
  const kept = { pictures: {}, thumbs: {} };
  early.set(model.get("number"), kept);
  model.on("msg:custom", (message, buffers) => {
    if (message.is === "words") kept.words = message;
    if (message.is === "focus") kept.focus = message;
    if (message.is === "thumb") kept.thumbs[message.key] = [message, buffers];
    if (message.is !== "picture") return;
    message.sides.forEach((side, place) => { kept.pictures[side] = buffers[place]; });
    kept.picture = message;
  });
  // what is kept is of one picture, or of one page
  model.on("change:turn", () => { kept.pictures = {}; delete kept.picture; });
  model.on("change:cells", () => { kept.thumbs = {}; });
  return () => early.delete(model.get("number"));
}

// Letters that a notebook would take for its own (to insert or cut a cell) stay here while the focus is in what is ours,
// the controls beside a view included.
const OURS = ".bt-root, .bt-box";
const SILENT = "data-lm-suppress-shortcuts"; // Jupyter reads it of what has the focus, in the document's capture phase

function keepKeys() {
  const decide = (event) => {
    const place = event.target.closest?.(OURS);
    if (!place) return;
    // Ctrl+S saves the notebook
    for (const element of [event.target, place]) element.toggleAttribute(SILENT, !((event.ctrlKey || event.metaKey) && event.key === "s"));
    if (place.dataset.keys) return;
    place.dataset.keys = "kept";
    place.addEventListener("keydown", stop);
  };
  // VS Code hears what comes out of an output; what has Ctrl, and Tab, is left to it
  const stop = (event) => { if (!event.ctrlKey && !event.metaKey && !event.altKey && event.key !== "Tab") event.stopPropagation(); };
  window.addEventListener("keydown", decide, true);
  return () => window.removeEventListener("keydown", decide, true);
}

// focus what was asked for; a view is drawn before it is part of the page
function focusSoon(element, tries = 60) {
  if (element.isConnected) element.focus({ preventScroll: true });
  else if (tries) requestAnimationFrame(() => focusSoon(element, tries - 1));
}

// ---- a picture ------------------------------------------------------------------------------------------------------

function picture({ model, el }) {
  const get = (name) => model.get(name);
  const listen = listening(model);
  let drawn = -1; // the turn of the picture that a person sees: what is asked for is meant for that one
  let aim = null; // the part that was asked for and has not come yet
  let asked = 0; // the frame in which it is asked for
  let nudged = null; // the mark that is moved by keys: one step, told when the key is let go
  const send = (content) => { settle(); model.send({ ...content, turn: drawn }); };
  let box = [0, 0, 1, 1]; // the part that is seen, in pixels of the upright picture
  let words = {};
  let act = null; // what the pointer is doing
  let hovered = null;
  let live = false; // whether a kernel has sent pictures

  const before = make("img", { class: "bt-before", alt: "", draggable: "false" });
  const after = make("img", { class: "bt-after", alt: "", draggable: "false" });
  const marks = make("svg:svg", { class: "bt-marks", preserveAspectRatio: "none", role: "group", "aria-label": "Plates and faces" });
  const labels = make("div", { class: "bt-words", "aria-hidden": "true" });
  const grip = make("span", { class: "bt-grip", text: "◂▸" });
  const divider = make("div", { class: "bt-divider", "aria-hidden": "true" }, grip);
  const left = make("span", { class: "bt-side bt-left", text: "before", "aria-hidden": "true" });
  const right = make("span", { class: "bt-side bt-right", text: "after", "aria-hidden": "true" });
  const waiting = make("p", { class: "bt-wait", text: "shown while the kernel runs" });
  const problem = make("p", { class: "bt-problem", role: "alert" });
  const stage = make("div", { class: "bt-stage" }, waiting, before, after, marks, labels, left, right, divider, problem);
  const range = make("input", { type: "range", min: 0, max: 100, step: 0.5, class: "bt-range", "aria-label": "Show before on the left, after on the right" });
  const zoom = make("div", { class: "bt-zoom", role: "group", "aria-label": "Zoom" },
    make("button", { type: "button", text: "+", title: "Zoom in (+)", "aria-label": "Zoom in", onclick: () => zoomBy(2) }),
    make("button", { type: "button", text: "−", title: "Zoom out (−)", "aria-label": "Zoom out", onclick: () => zoomBy(0.5) }),
    make("button", { type: "button", text: "Fit", title: "Whole picture (0)", "aria-label": "Whole picture", onclick: () => look(whole()) }));
  const tools = make("div", { class: "bt-tools", role: "toolbar", "aria-label": "What can be done" });
  const title = make("div", { class: "bt-title" });
  const status = make("div", { class: "bt-status", role: "status", "aria-live": "polite" });
  const root = make("div", { class: "bt-root", tabindex: 0, role: "group", [SILENT]: "" },
    title, stage, make("div", { class: "bt-under" }, range, zoom), tools, status);
  el.append(root);

  const whole = () => [0, 0, Math.max(1, get("size")[0]), Math.max(1, get("size")[1])];
  const zoomed = () => get("size")[0] / (box[2] - box[0]);
  const scale = () => (box[2] - box[0]) / Math.max(1, stage.clientWidth); // picture pixels a screen pixel
  const where = (event) => {
    const area = stage.getBoundingClientRect();
    return [box[0] + ((event.clientX - area.left) / area.width) * (box[2] - box[0]),
      box[1] + ((event.clientY - area.top) / area.height) * (box[3] - box[1])];
  };

  // -- what is seen

  function showSplit() {
    const both = live && get("sides").length === 2;
    const share = both ? get("split") : live ? 100 : 0;
    range.value = share;
    range.hidden = !both;
    after.style.clipPath = `inset(0 0 0 ${share}%)`;
    divider.style.left = `${share}%`;
    divider.hidden = !both || share >= 100 || share <= 0;
    left.hidden = !both || share < 12;
    right.hidden = (!both && !after.src) || share > 88;
    after.hidden = live && !both;
    range.setAttribute("aria-valuetext", `${Math.round(share)} percent before`);
  }

  function setSplit(share) {
    model.set("split", Math.min(100, Math.max(0, share)));
    model.save_changes();
    showSplit();
  }

  function showSize() {
    const [width, height] = get("size");
    stage.style.aspectRatio = `${width || 3} / ${height || 2}`;
    // in VS Code the height of the view is that of the whole notebook
    stage.style.maxWidth = `calc(min(72vh, 800px) * ${(width || 3) / (height || 2)})`;
    box = whole();
    drawMarks();
  }

  function showText() {
    title.textContent = get("title");
    root.setAttribute("aria-label", `Picture ${get("title")}`);
    before.alt = `${get("title")} as it is`;
    after.alt = `${get("title")} redacted`;
    status.textContent = get("status");
    problem.textContent = get("problem");
    problem.hidden = !get("problem");
    if (get("problem")) {
      [before, after].forEach(drop);
      drawn = get("turn");
    }
    root.classList.toggle("bt-broken", Boolean(get("problem")));
  }

  function look(part) {
    const [width, height] = get("size");
    if (!width) return;
    const wide = Math.min(width, Math.max(width / FARTHEST, part[2] - part[0]));
    const high = (wide * height) / width;
    const x = Math.min(width - wide, Math.max(0, (part[0] + part[2] - wide) / 2));
    const y = Math.min(height - high, Math.max(0, (part[1] + part[3] - high) / 2));
    aim = [x, y, x + wide, y + high];
    // keys repeat faster than pictures come: only the last of a frame is asked for
    asked = asked || requestAnimationFrame(() => {
      asked = 0;
      if (aim) send({ do: "look", box: aim });
    });
  }

  function zoomBy(factor, at) {
    const from = aim || box;
    const [x, y] = at || [(from[0] + from[2]) / 2, (from[1] + from[3]) / 2];
    look([x + (from[0] - x) / factor, y + (from[1] - y) / factor, x + (from[2] - x) / factor, y + (from[3] - y) / factor]);
  }

  function pan(dx, dy) {
    const from = aim || box;
    const [x, y] = [dx * (from[2] - from[0]), dy * (from[3] - from[1])];
    look([from[0] + x, from[1] + y, from[2] + x, from[3] + y]);
  }

  // -- the marks

  function drawMarks() {
    const focused = root.contains(document.activeElement) ? document.activeElement.getAttribute("data-mark") : null;
    marks.setAttribute("viewBox", `${box[0]} ${box[1]} ${box[2] - box[0]} ${box[3] - box[1]}`);
    marks.replaceChildren();
    labels.replaceChildren();
    const chosen = get("selected");
    const selecting = get("clicks") === "select";
    for (const mark of get("marks")) {
      const points = outline(mark).map((point) => point.join(",")).join(" ");
      const one = chosen.includes(mark.id);
      const facts = selecting ? { role: "button", "aria-pressed": String(one) } : { role: "checkbox", "aria-checked": String(!mark.keep) };
      const name = said(mark, words[mark.id]);
      marks.append(make("svg:polygon", { points, class: "bt-halo" }));
      marks.append(make("svg:polygon", {
        points, tabindex: 0, "data-mark": mark.id, ...facts,
        class: `bt-mark bt-${mark.kind}${mark.keep ? " bt-keep" : ""}${one ? " bt-chosen" : ""}`,
        "aria-label": `${name}; ${mark.keep ? "left visible" : "hidden"}`,
        onpointerenter: () => hover(mark.id), onpointerleave: () => hover(null),
        onfocus: () => hover(mark.id), onblur: () => hover(null),
      }));
      const x = Math.min(...mark.polygon.map((point) => point[0]));
      const top = Math.min(...mark.polygon.map((point) => point[1]));
      const word = make("span", { class: `bt-word bt-${mark.kind}${mark.keep ? " bt-keep" : ""}`, "data-word": mark.id, text: `${name}${mark.keep ? " · kept" : ""}` });
      const from = Math.max(0, ((x - box[0]) / (box[2] - box[0])) * 100);
      // near the right border a word ends there, so that it is not cut
      if (from < 80) word.style.left = `${from}%`;
      else word.style.right = 0;
      word.style.top = `${((top - box[1]) / (box[3] - box[1])) * 100}%`;
      const shown = x < box[2] && top < box[3] && top > box[1] - (box[3] - box[1]) / 4;
      if (shown) labels.append(word);
    }
    const single = chosen.length === 1 ? get("marks").find((mark) => mark.id === chosen[0]) : null;
    if (single) drawCorners(single);
    if (focused) marks.querySelector(`[data-mark="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    hover(hovered);
  }

  function drawCorners(mark) {
    const [xs, ys] = [0, 1].map((axis) => outline(mark).map((point) => point[axis]));
    const least = Math.min(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
    const r = Math.max(2.5 * scale(), Math.min(CORNER * scale(), least / 5)); // a small mark stays visible
    outline(mark).forEach(([x, y], corner) => {
      marks.append(make("svg:circle", { cx: x, cy: y, r, class: "bt-corner", "data-corner": corner, "data-of": mark.id }));
    });
  }

  function hover(id) {
    hovered = id;
    labels.classList.toggle("bt-all", get("show_words"));
    for (const word of labels.children) word.classList.toggle("bt-on", word.dataset.word === String(id));
  }

  function showMarks() {
    root.classList.toggle("bt-unmarked", !get("show_marks"));
    root.classList.toggle("bt-drawing", Boolean(get("drawing")));
    hover(hovered);
  }

  const outline = (mark) => (nudged?.id === mark.id ? nudged.polygon : mark.polygon);
  const byId = (id) => get("marks").find((mark) => mark.id === Number(id));

  function preview(id, polygon) {
    for (const shape of marks.querySelectorAll(`[data-mark="${id}"]`)) {
      shape.setAttribute("points", polygon.map((point) => point.join(",")).join(" "));
      shape.previousSibling.setAttribute("points", shape.getAttribute("points"));
    }
    marks.querySelectorAll(`[data-of="${id}"]`).forEach((dot, corner) => {
      dot.setAttribute("cx", polygon[corner][0]);
      dot.setAttribute("cy", polygon[corner][1]);
    });
  }

  function click(id, more) {
    send(get("clicks") === "toggle" ? { do: "toggle", id } : { do: "select", ids: more ? [...new Set([...get("selected"), id])] : [id] });
  }

  // -- the pointer: draws a mark, pulls one, moves the divider or the zoomed picture

  stage.addEventListener("pointerdown", (event) => {
    if (event.button || get("problem")) return;
    const start = where(event);
    const target = event.target;
    const [corner, id] = [target.getAttribute?.("data-corner"), target.getAttribute?.("data-mark")];
    if (target.closest?.(".bt-divider")) act = { does: "split" };
    else if (get("drawing")) act = { does: "draw", kind: get("drawing") };
    else if (corner !== null && corner !== undefined) act = { does: "pull", corner: Number(corner), mark: byId(target.getAttribute("data-of")) };
    else if (id) act = { does: "move", mark: byId(id) };
    else act = { does: "pan", box };
    Object.assign(act, { start, from: [event.clientX, event.clientY], far: false, more: event.shiftKey });
    stage.setPointerCapture(event.pointerId);
    if (!id) root.focus({ preventScroll: true });
    else target.focus({ preventScroll: true });
    event.preventDefault();
  });

  const moved = (event) => {
    const [x, y] = where(event);
    const [dx, dy] = [x - act.start[0], y - act.start[1]];
    if (act.does === "pull") return act.mark.polygon.map((point, corner) => (corner === act.corner ? [point[0] + dx, point[1] + dy] : point));
    return act.mark.polygon.map((point) => [point[0] + dx, point[1] + dy]);
  };

  stage.addEventListener("pointermove", (event) => {
    if (!act) return;
    act.far = act.far || Math.hypot(event.clientX - act.from[0], event.clientY - act.from[1]) > CLICK;
    const area = stage.getBoundingClientRect();
    if (act.does === "split") setSplit(((event.clientX - area.left) / area.width) * 100);
    if (!act.far) return;
    if (act.does === "draw") drawDraft(act.start, where(event));
    if (act.mark && (act.does === "pull" || get("clicks") === "select")) preview(act.mark.id, moved(event));
    if (act.does === "pan" && zoomed() > 1) {
      const [dx, dy] = [event.clientX - act.from[0], event.clientY - act.from[1]];
      for (const part of [before, after, marks, labels]) part.style.translate = `${dx}px ${dy}px`;
    }
  });

  function drawDraft(start, stop) {
    marks.querySelector(".bt-draft")?.remove();
    marks.append(make("svg:rect", { class: `bt-draft bt-${act.kind}`, x: Math.min(start[0], stop[0]), y: Math.min(start[1], stop[1]), width: Math.abs(stop[0] - start[0]), height: Math.abs(stop[1] - start[1]) }));
  }

  stage.addEventListener("pointerup", (event) => {
    if (!act) return;
    const done = act;
    const stop = where(event);
    if (done.does === "draw") {
      const [x0, y0, x1, y1] = [Math.min(done.start[0], stop[0]), Math.min(done.start[1], stop[1]), Math.max(done.start[0], stop[0]), Math.max(done.start[1], stop[1])];
      if (done.far) send({ do: "add", kind: done.kind, polygon: [[x0, y0], [x1, y0], [x1, y1], [x0, y1]] });
      marks.querySelector(".bt-draft")?.remove();
    } else if (done.mark && done.far && (done.does === "pull" || get("clicks") === "select")) {
      send({ do: "reshape", id: done.mark.id, polygon: moved(event) });
    } else if (done.does === "move" && !done.far) {
      click(done.mark.id, done.more);
    } else if (done.does === "pan") {
      for (const part of [before, after, marks, labels]) part.style.translate = "";
      if (done.far && zoomed() > 1) {
        const [dx, dy] = [(event.clientX - done.from[0]) * scale(), (event.clientY - done.from[1]) * scale()];
        look([box[0] - dx, box[1] - dy, box[2] - dx, box[3] - dy]);
      } else if (!done.far && get("selected").length) send({ do: "select", ids: [] });
    }
    act = null;
  });

  // what was under way is of a picture that is gone
  function letGo() {
    act = nudged = aim = null;
    for (const part of [before, after, marks, labels]) part.style.translate = "";
    drawMarks();
  }

  stage.addEventListener("pointercancel", letGo);
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // else the page scrolls
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 2 : 0.5, where(event));
  }, { passive: false });
  range.addEventListener("input", () => setSplit(Number(range.value)));

  // -- the keyboard

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  // tell of a mark that keys have moved
  function settle() {
    if (!nudged) return;
    const { id, polygon } = nudged;
    nudged = null;
    model.send({ do: "reshape", id, polygon, turn: drawn });
  }

  function nudge(event) {
    const step = ARROWS[event.key];
    if (!step || event.target === range) return false;
    const mark = get("selected").length === 1 ? byId(get("selected")[0]) : null;
    if (!mark) {
      if (zoomed() > 1) pan(step[0] / 4, step[1] / 4);
      return zoomed() > 1;
    }
    const by = step.map((one) => one * Math.max(1, 2 * scale()));
    if (nudged && nudged.id !== mark.id) settle();
    const stands = outline(mark);
    const xs = stands.map((point) => point[0]);
    const ys = stands.map((point) => point[1]);
    const [cx, cy] = [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
    // with Shift the sides move apart, or together
    const polygon = stands.map(([x, y]) => event.shiftKey ? [x + Math.sign(x - cx) * by[0], y - Math.sign(y - cy) * by[1]] : [x + by[0], y + by[1]]);
    nudged = { id: mark.id, polygon };
    preview(mark.id, polygon);
    return true;
  }

  function down(event) {
    const key = pressed(event);
    const id = event.target.getAttribute?.("data-mark");
    let done = true;
    if (get("drawing") && key === "Enter" && event.target.tagName !== "BUTTON") drawInTheMiddle();
    else if (id && (key === "Enter" || key === " ")) click(Number(id), false);
    else if (event.target.tagName === "BUTTON" && (key === "Enter" || key === " ")) return;
    else if (key === "Escape") { send({ do: "draw", kind: "" }); send({ do: "select", ids: [] }); }
    else if (key === "+" || key === "=" || event.key === "+") zoomBy(2);
    else if (key === "-") zoomBy(0.5);
    else if (key === "0") look(whole());
    else if (nudge(event)) done = true;
    else {
      const tool = get("tools").find((one) => one.key === key);
      done = Boolean(tool);
      if (tool?.hold) hold(true);
      else if (tool && !(event.repeat && tool.once)) send({ do: "act", name: tool.name });
    }
    if (done) { event.preventDefault(); event.stopPropagation(); }
  }

  // a mark that needs no pointer: arrow keys move it from there
  function drawInTheMiddle() {
    const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    const [wide, high] = [(box[2] - box[0]) / 16, (box[3] - box[1]) / 16];
    const polygon = [[x - wide, y - high], [x + wide, y - high], [x + wide, y + high], [x - wide, y + high]];
    send({ do: "add", kind: get("drawing"), polygon });
  }

  const hold = (on) => root.classList.toggle("bt-hold", on);
  root.addEventListener("keydown", down);
  const freeKeys = keepKeys();
  root.addEventListener("keyup", (event) => { if (ARROWS[event.key]) settle(); });
  root.addEventListener("focusout", (event) => { if (!root.contains(event.relatedTarget)) settle(); });
  root.addEventListener("keyup", (event) => { if (get("tools").some((tool) => tool.hold && tool.key === pressed(event))) hold(false); });
  root.addEventListener("focusout", () => hold(false));

  function showTools() {
    const focused = root.contains(document.activeElement) ? document.activeElement.getAttribute("data-tool") : null;
    tools.replaceChildren(...get("tools").map((tool) => {
      const facts = tool.hold
        ? { onpointerdown: () => hold(true), onpointerup: () => hold(false), onpointerleave: () => hold(false) }
        : { onclick: () => send({ do: "act", name: tool.name }) };
      return make("button", { type: "button", title: tool.help, "data-tool": tool.name, "aria-keyshortcuts": tool.key.replaceAll("-", "+"), ...facts },
        make("span", { text: tool.title }), make("kbd", { text: shownKey(tool.key), "aria-hidden": "true" }));
    }));
    if (focused) tools.querySelector(`[data-tool="${CSS.escape(focused)}"]`)?.focus();
  }

  // -- what the kernel says

  listen.on("msg:custom", take);
  function take(message, buffers) {
    if (message.is === "words") { words = message.words; drawMarks(); }
    if (message.is === "focus") takeFocus();
    if (message.is !== "picture" || message.turn !== get("turn")) return;
    drawn = message.turn;
    box = message.box;
    if (aim && aim.every((side, place) => Math.abs(side - box[place]) < 1e-3)) aim = null;
    live = live || message.sides.includes("before");
    nameSliders();
    message.sides.forEach((side, place) => put(side === "before" ? before : after, buffers[place]));
    drawMarks();
    showSplit();
    root.dataset.shown = message.number;
  }
  listen.on("change:turn", () => { live = false; letGo(); [before, after].forEach(drop); showSplit(); });
  listen.on("change:size", showSize);
  listen.on("change:title change:status change:problem", showText);
  listen.on("change:marks change:selected change:clicks", drawMarks);
  listen.on("change:split change:sides", showSplit);
  listen.on("change:tools", showTools);
  listen.on("change:drawing change:show_marks change:show_words", showMarks);
  const resized = new ResizeObserver(() => { if (!act) drawMarks(); nameSliders(); });
  resized.observe(stage);
  showSize(); showText(); showSplit(); showTools(); showMarks();
  const kept = early.get(model.get("number"));
  function takeFocus() {
    delete kept?.focus;
    focusSoon(root);
  }
  const showStill = () => { if (!live && get("still")?.byteLength) { put(after, get("still")); showSplit(); } };
  listen.on("change:still", showStill);
  showStill();
  if (kept?.words) take(kept.words);
  if (kept?.pictures.before) take({ ...kept.picture, sides: Object.keys(kept.pictures) }, Object.values(kept.pictures));
  else send({ do: "ready" });
  if (kept?.focus) takeFocus();
  return () => { listen.end(); freeKeys(); cancelAnimationFrame(asked); resized.disconnect(); [before, after].forEach(drop); };
}

// ---- a page of thumbnails -------------------------------------------------------------------------------------------

function gallery({ model, el }) {
  const get = (name) => model.get(name);
  const listen = listening(model);
  const grid = make("ul", { class: "bt-grid" });
  const status = make("div", { class: "bt-status", role: "status", "aria-live": "polite" });
  const number = make("span", { class: "bt-number" });
  const turn = (step) => {
    const page = Math.min(get("pages") - 1, Math.max(0, get("page") + step));
    if (page !== get("page")) model.send({ do: "page", page });
  };
  const back = make("button", { type: "button", text: "‹ Back", title: "Page before (Page up)", "aria-keyshortcuts": "PageUp", class: "bt-page-back", onclick: () => turn(-1) });
  const next = make("button", { type: "button", text: "Next ›", title: "Next page (Page down)", "aria-keyshortcuts": "PageDown", class: "bt-page-next", onclick: () => turn(1) });
  const pages = make("nav", { class: "bt-pages", "aria-label": "Pages" }, back, number, next);
  const root = make("div", { class: "bt-root bt-gallery", role: "group", "aria-label": "Pictures", [SILENT]: "" }, status, grid, pages);
  el.append(root);

  function cell(facts) {
    const image = make("img", { alt: "", draggable: "false" });
    const lines = make("svg:svg", { class: "bt-marks", preserveAspectRatio: "none", "aria-hidden": "true" });
    const frame = make("span", { class: "bt-frame" }, image, lines);
    if (facts.error) frame.replaceChildren(make("span", { class: "bt-reason", text: facts.error }));
    const button = make("button", { type: "button", title: facts.key, class: `bt-cell bt-is-${facts.decision}`, "data-key": facts.key, onclick: () => model.send({ do: "open", key: facts.key }) },
      frame, make("span", { class: "bt-name", text: facts.key }), make("span", { class: "bt-about", text: `${facts.sign} ${facts.words}` }));
    return make("li", {}, button);
  }

  function showCells() {
    const key = root.contains(document.activeElement) ? document.activeElement.getAttribute("data-key") : null;
    grid.querySelectorAll("img").forEach(drop);
    grid.replaceChildren(...get("cells").map(cell));
    if (key !== null) (find(key) || grid.querySelector("button"))?.focus();
    const kept = Object.values(early.get(model.get("number"))?.thumbs ?? {});
    kept.forEach(([message, buffers]) => showThumb(message, buffers));
    // what came before our code was loaded is lost, and that can be some of them
    if (kept.length < get("cells").length) model.send({ do: "thumbs" });
  }

  const find = (key) => [...grid.querySelectorAll("button")].find((button) => button.dataset.key === key);

  function showPages() {
    number.textContent = `page ${get("page") + 1} of ${get("pages")}`;
    back.disabled = get("page") <= 0;
    next.disabled = get("page") >= get("pages") - 1;
    pages.hidden = get("pages") < 2;
  }

  const showStatus = () => { status.textContent = get("status"); };

  function showThumb(message, buffers) {
    const button = find(message.key);
    if (!button) return;
    const frame = button.querySelector(".bt-frame");
    if (message.error) {
      frame.replaceChildren(make("span", { class: "bt-reason", text: message.error }));
      return;
    }
    put(frame.querySelector("img"), buffers[0]);
    const lines = frame.querySelector("svg");
    lines.setAttribute("viewBox", `0 0 ${message.size[0]} ${message.size[1]}`);
    frame.style.aspectRatio = `${message.size[0]} / ${message.size[1]}`;
    lines.replaceChildren(...message.marks.map((mark) => make("svg:polygon", { points: mark.polygon.map((point) => point.join(",")).join(" "), class: `bt-mark bt-${mark.kind}${mark.keep ? " bt-keep" : ""}` })));
    button.dataset.shown = "yes";
  }

  root.addEventListener("keydown", (event) => {
    const buttons = [...grid.querySelectorAll("button")];
    const place = buttons.indexOf(document.activeElement);
    const columns = buttons.filter((button) => button.offsetTop === buttons[0].offsetTop).length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (event.key === "PageDown") turn(1);
    else if (event.key === "PageUp") turn(-1);
    else if (step && place >= 0) buttons[Math.min(buttons.length - 1, Math.max(0, place + step))].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const freeKeys = keepKeys();

  function takeFocus(message) {
    delete early.get(model.get("number"))?.focus;
    const cell = find(message.key) || grid.querySelector("button");
    if (cell) focusSoon(cell);
  }

  listen.on("msg:custom", (message, buffers) => {
    if (message.is === "thumb") showThumb(message, buffers);
    if (message.is === "focus") takeFocus(message);
  });
  listen.on("change:cells", showCells);
  listen.on("change:page change:pages", showPages);
  listen.on("change:status", showStatus);
  showCells(); showPages(); showStatus();
  const wanted = early.get(model.get("number"))?.focus;
  if (wanted) takeFocus(wanted);
  return () => { listen.end(); freeKeys(); grid.querySelectorAll("img").forEach(drop); };
}

function render(context) {
  return context.model.get("kind") === "gallery" ? gallery(context) : picture(context);
}

export default { initialize, render };
