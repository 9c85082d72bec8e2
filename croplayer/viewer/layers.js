// The list of layers, their order on the map, and the line between two of them.
"use strict";

const drawn = new Map();
const OPEN = ["Map", "Imagery", "Blocks"];
let rightLayer = null;

function tiles(layer, pane, options = {}) {
  return L.tileLayer(data.tiles(layer), {
    pane, minZoom: about.least_zoom, maxZoom: about.most_zoom, maxNativeZoom: layer.own_zoom, noWrap: true,
    errorTileUrl: "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
    bounds: boxOf(about.bounds), ...options,
  });
}

function boxOf([west, south, east, north]) {
  return L.latLngBounds([south, west], [north, east]);
}

function layerOf(key) {
  return about.layers.find((layer) => layer.key === key);
}

// What was switched on last lies on top; imagery lies below all else.
function order() {
  [...state.layers.keys()].forEach((key, place) => drawn.get(key)?.setZIndex(place + (layerOf(key).group === "Imagery" ? 0 : 100)));
}

function show(layer) {
  const percent = state.layers.get(layer.key);
  if (percent === undefined) {
    drawn.get(layer.key)?.remove();
    return;
  }
  if (!drawn.has(layer.key)) drawn.set(layer.key, tiles(layer, "left"));
  drawn.get(layer.key).setOpacity(percent / 100).addTo(map);
  order();
}

function layerRow(layer) {
  const check = element("input", { type: "checkbox", id: `on-${layer.key}` });
  const range = element("input", { type: "range", min: 1, max: 100, value: state.layers.get(layer.key) ?? 100,
    "aria-label": `Opacity of ${layer.title}, in per cent`, title: "Opacity" });
  const more = element("div", { class: "more" }, range, ...(layer.legend.length ? [legendOf(layer)] : []));
  check.checked = state.layers.has(layer.key);
  more.hidden = !check.checked;
  const changed = () => {
    more.hidden = !check.checked;
    if (check.checked) state.layers.set(layer.key, Number(range.value));
    else state.layers.delete(layer.key);
    show(layer);
    drawNote();
    writeAddress();
  };
  check.addEventListener("change", changed);
  range.addEventListener("input", changed);
  return element("div", { class: "layer" }, element("label", { for: check.id }, check, layer.title), more);
}

function drawLayers() {
  const groups = new Map();
  for (const layer of about.layers) {
    if (!groups.has(layer.group)) groups.set(layer.group, []);
    groups.get(layer.group).push(layer);
  }
  for (const [title, layers] of groups) {
    const on = layers.some((layer) => state.layers.has(layer.key));
    const count = OPEN.includes(title) ? "" : element("small", {}, String(layers.length));
    const group = element("details", on || OPEN.includes(title) ? { open: "" } : {}, element("summary", {}, title, count), ...layers.map(layerRow));
    by("layers").append(group);
    by("right").append(element("optgroup", { label: title }, ...layers.map((layer) => element("option", { value: layer.key }, layer.title))));
  }
  by("right").value = state.right;
  by("swipe").value = state.swipe;
  [...state.layers.keys()].forEach((key) => show(layerOf(key)));
}

function drawNote() {
  const keys = [...state.layers.keys(), ...(state.right ? [state.right] : [])];
  const far = keys.map(layerOf).filter((layer) => !layer.everywhere && map.getZoom() < about.pixels_from_zoom);
  by("note").replaceChildren(...(far.length ? [element("span", {}, `Zoom in to see ${far.map((layer) => layer.title).join(", ")}`)] : []));
}

function drawSwipe() {
  const right = layerOf(state.right);
  for (const part of document.querySelectorAll(".swiping")) part.hidden = !right;
  by("divider").hidden = !right;
  by("right-legend").replaceChildren(...(right?.legend.length ? [legendOf(right)] : []));
  if (rightLayer && rightLayer.key !== state.right) { rightLayer.drawn.remove(); rightLayer = null; }
  if (right && !rightLayer) rightLayer = { key: right.key, drawn: tiles(right, "right").addTo(map) };
  clip();
}

function clip() {
  const size = map.getSize(), x = size.x * state.swipe / 100;
  by("divider").style.left = `${x}px`;
  const from = map.containerPointToLayerPoint([x, 0]), to = map.containerPointToLayerPoint(size);
  const first = map.containerPointToLayerPoint([0, 0]);
  map.getPane("right").style.clip = `rect(${from.y}px, ${to.x}px, ${to.y}px, ${from.x}px)`;
  // What lies on the left ends at the line, so a transparent layer on the right shows nothing of it.
  map.getPane("left").style.clip = state.right ? `rect(${first.y}px, ${from.x}px, ${to.y}px, ${first.x}px)` : "";
}

function listenToLine() {
  const moved = (percent) => {
    state.swipe = Math.min(Math.max(percent, 0), 100);
    by("swipe").value = state.swipe;
    clip();
    writeAddress();
  };
  by("right").addEventListener("change", () => { state.right = by("right").value; drawSwipe(); drawNote(); writeAddress(); });
  by("swipe").addEventListener("input", () => moved(Number(by("swipe").value)));
  by("divider").addEventListener("pointerdown", (event) => {
    by("divider").setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  by("divider").addEventListener("pointermove", (event) => {
    if (!by("divider").hasPointerCapture(event.pointerId)) return;
    const box = by("map").getBoundingClientRect();
    moved(Math.round(1000 * (event.clientX - box.left) / box.width) / 10);
  });
}
