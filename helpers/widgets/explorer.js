// A map of songs: dots that stay, a line for the way between two songs, and a cross where the sliders stand.

const [WIDTH, HEIGHT, MARGIN] = [380, 280, 12];

function shape(parent, kind, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}

function render({ model, el }) {
  const reach = model.get("reach");
  const round = (value, digits) => Number(value.toFixed(digits));
  const across = (x) => round(WIDTH / 2 + (x / reach) * (WIDTH / 2 - MARGIN), 1);
  const up = (y) => round(HEIGHT / 2 - (y / reach) * (HEIGHT / 2 - MARGIN), 1);
  const inside = (value) => round(Math.round(Math.min(Math.max(value, -reach), reach) * 20) / 20, 2); // as the sliders

  const size = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, role: "img", "aria-label": model.get("label") };
  const map = shape(el, "svg", { ...size, class: "nfs-map" });
  map.style.cssText = `${model.get("colors")}; max-width: 100%; cursor: crosshair`;
  shape(map, "rect", { width: WIDTH, height: HEIGHT, fill: "var(--nfs-paper)", stroke: "var(--nfs-line)" });
  for (const [x, y, title, color] of model.get("songs")) {
    const dot = shape(map, "circle", { cx: across(x), cy: up(y), r: 3, fill: color, "fill-opacity": 0.6 });
    shape(dot, "title", {}, title);
  }
  model.get("legend").forEach(([name, color], k) => {
    const place = { x: 10, y: 18 + 14 * k, "font-size": 11, "font-family": "sans-serif" };
    shape(map, "text", { ...place, fill: color }, `● ${name}`);
  });
  const way = shape(map, "path", { stroke: "var(--nfs-ink)", "stroke-dasharray": "3 3", fill: "none" });
  const halo = shape(map, "path", { stroke: "var(--nfs-paper)", "stroke-width": 4 });
  const cross = shape(map, "path", { stroke: "var(--nfs-ink)", "stroke-width": 2, class: "nfs-cross" });

  function draw() {
    const [x, y] = [across(model.get("point")[0]), up(model.get("point")[1])];
    for (const mark of [halo, cross]) mark.setAttribute("d", `M${x - 8} ${y} H${x + 8} M${x} ${y - 8} V${y + 8}`);
    const ends = model.get("way").map(([a, b]) => `${across(a)} ${up(b)}`);
    way.setAttribute("d", `M${ends.join(" L")}`);
  }
  function go(event) {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    const x = inside(((place.x - WIDTH / 2) / (WIDTH / 2 - MARGIN)) * reach);
    const y = inside(((HEIGHT / 2 - place.y) / (HEIGHT / 2 - MARGIN)) * reach);
    model.set("point", [x, y]);
    model.save_changes();
  }
  map.addEventListener("click", go);
  model.on("change:point change:way", draw);
  draw();
  return () => {
    map.removeEventListener("click", go);
    model.off("change:point change:way", draw);
  };
}

export default { render };
