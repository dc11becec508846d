// A grid of buttons. A note is [pitch, first column, number of columns]; no two sound together.

const ARROWS = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

const noteAt = (notes, step) => notes.find(([, first, length]) => first <= step && step < first + length);

// The notes with what sounds in these columns cut off before them, and what begins in them gone.
function cleared(notes, from, to) {
  const kept = notes.filter(([, first]) => first < from || first >= to);
  return kept.map(([pitch, first, length]) => [pitch, first, first < from ? Math.min(length, from - first) : length]);
}

function withNote(notes, pitch, first, length) {
  return [...cleared(notes, first, first + length), [pitch, first, length]].sort((a, b) => a[1] - b[1]);
}

function build(model) {
  const names = model.get("names");
  const root = document.createElement("div");
  root.className = "nfs-grid";
  root.style.cssText = model.get("colors");
  root.setAttribute("role", "grid");
  root.setAttribute("aria-label", model.get("label"));
  const cells = new Map();
  for (let row = names.length - 1; row >= 0; row--) {
    const pitch = model.get("low") + row;
    const line = document.createElement("div");
    line.setAttribute("role", "row");
    line.className = [1, 3, 6, 8, 10].includes(pitch % 12) ? "nfs-row black" : "nfs-row";
    const header = document.createElement("span");
    header.setAttribute("role", "rowheader");
    header.textContent = [0, 4, 7].includes(pitch % 12) ? names[row] : "";
    line.append(header);
    for (let step = 0; step < model.get("steps"); step++) {
      const cell = document.createElement("button");
      cell.type = "button";
      cell.tabIndex = -1;
      cell.setAttribute("role", "gridcell");
      Object.assign(cell.dataset, { pitch, step, lmSuppressShortcuts: true }); // or Jupyter takes the arrow keys
      cells.set(`${pitch} ${step}`, cell);
      line.append(cell);
    }
    root.append(line);
  }
  cells.values().next().value.tabIndex = 0;
  return { root, cells };
}

function render({ model, el }) {
  const { root, cells } = build(model);
  const names = model.get("names");
  const views = new AbortController(); // ends the listeners together with this view
  const listen = (target, kind, heard) => target.addEventListener(kind, heard, { signal: views.signal });
  let notes = [];
  let drag = null; // { pitch, from, before, erases }

  function draw() {
    const bar = model.get("bar");
    for (const cell of cells.values()) {
      const [pitch, step] = [Number(cell.dataset.pitch), Number(cell.dataset.step)];
      const note = noteAt(notes, step);
      const on = note?.[0] === pitch;
      const held = on && step > note[1];
      cell.classList.toggle("beat", step % bar === 0);
      cell.classList.toggle("on", on);
      cell.classList.toggle("held", held);
      cell.classList.toggle("more", on && step + 1 < note[1] + note[2]);
      cell.setAttribute("aria-selected", on);
      const what = held ? ", held" : on ? ", note" : ", empty";
      cell.setAttribute("aria-label", `${names[pitch - model.get("low")]}, step ${step + 1}${what}`);
    }
  }
  function read() {
    notes = model.get("notes");
    drag = null;
    draw();
  }
  function change(now, tell = true) {
    notes = now;
    draw();
    if (tell) {
      model.set("notes", notes);
      model.save_changes();
    }
  }
  const toggled = (pitch, step) => {
    const note = noteAt(notes, step);
    return note?.[0] === pitch ? notes.filter((other) => other !== note) : withNote(notes, pitch, step, 1);
  };
  function finish() {
    if (drag) change(notes);
    drag = null;
  }

  for (const cell of cells.values()) {
    const [pitch, step] = [Number(cell.dataset.pitch), Number(cell.dataset.step)];
    listen(cell, "pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      cell.focus();
      cell.releasePointerCapture(event.pointerId);
      drag = { pitch, from: step, before: notes, erases: noteAt(notes, step)?.[0] === pitch };
      change(toggled(pitch, step), false);
    });
    listen(cell, "pointerenter", (event) => {
      if (!drag || drag.erases) return;
      if (!event.buttons) return finish(); // let go outside
      change(withNote(drag.before, drag.pitch, drag.from, Math.max(step - drag.from + 1, 1)), false);
    });
    listen(cell, "keydown", (event) => {
      const move = ARROWS[event.key];
      if (event.key === " " || event.key === "Enter") {
        change(toggled(pitch, step));
      } else if (move) {
        const next = cells.get(`${pitch + move[0]} ${step + move[1]}`);
        const note = noteAt(notes, step);
        if (next && event.shiftKey && event.key === "ArrowRight" && note?.[0] === pitch) {
          change(withNote(notes, pitch, note[1], Math.max(step + 2 - note[1], note[2])));
        }
        if (next) {
          for (const other of cells.values()) other.tabIndex = -1;
          next.tabIndex = 0;
          next.focus();
        }
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }
  listen(document, "pointerup", finish);
  listen(document, "pointercancel", read); // a scroll
  model.on("change:notes", read);
  model.on("change:bar", draw);
  read();
  el.append(root);
  return () => {
    views.abort();
    model.off("change:notes", read);
    model.off("change:bar", draw);
  };
}

export default { render };
