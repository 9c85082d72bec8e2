// The map: layers, the line between two of them, search, clicks, and the address that says all of it.
"use strict";

const by = (id) => document.getElementById(id);
const state = { layers: new Map(), right: "", swipe: 50, unit: "", place: null };
let about, map, outline, mark, rightLayer = null, asked = 0;

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function tiles(layer, pane) {
  return L.tileLayer(`tiles/${layer.key}/{z}/{x}/{y}.png`, {
    pane, minZoom: about.least_zoom, maxZoom: about.most_zoom, maxNativeZoom: about.own_zoom, noWrap: true,
    bounds: L.latLngBounds([about.bounds[1], about.bounds[0]], [about.bounds[3], about.bounds[2]]),
  });
}

function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  state.layers = new Map();
  const keys = new Set(about.layers.map((layer) => layer.key));
  for (const part of (said.get("layers") ?? "map:70,imagery-0:100").split(",")) {
    const [key, percent] = part.split(":");
    if (keys.has(key)) state.layers.set(key, Math.min(Math.max(Number(percent) || 100, 1), 100));
  }
  state.right = keys.has(said.get("right")) ? said.get("right") : "";
  state.swipe = Math.min(Math.max(Number(said.get("swipe") ?? 50) || 0, 0), 100);
  state.unit = said.get("unit") ?? "";
  const at = (said.get("at") ?? "").split(",").map(Number);
  state.place = at.length === 2 && at.every(Number.isFinite) ? at : null;
  const view = ["lat", "lon", "zoom"].map((name) => Number(said.get(name) ?? NaN));
  return view.every(Number.isFinite) ? view : null;
}

function writeAddress() {
  const centre = map.getCenter();
  const said = new URLSearchParams({ zoom: map.getZoom(), lat: centre.lat.toFixed(5), lon: centre.lng.toFixed(5) });
  said.set("layers", [...state.layers].map(([key, percent]) => `${key}:${percent}`).join(","));
  if (state.right) { said.set("right", state.right); said.set("swipe", state.swipe); }
  if (state.unit) said.set("unit", state.unit);
  if (state.place) said.set("at", state.place.map((value) => value.toFixed(6)).join(","));
  history.replaceState(null, "", `#${said}`);
}

function drawNote() {
  const shown = about.layers.filter((layer) => state.layers.has(layer.key) || layer.key === state.right);
  const needs = shown.filter((layer) => !layer.coarse).map((layer) => layer.title);
  by("note").textContent = needs.length && map.getZoom() < about.pixels_from_zoom
    ? `Zoom in to see all of: ${needs.join(", ")}. So far out only the layers of blocks are drawn.` : "";
}

function drawLegend() {
  const shown = about.layers.filter((layer) => (state.layers.has(layer.key) || layer.key === state.right) && layer.legend.length);
  by("legend").replaceChildren(...shown.flatMap(legendOf));
}

function drawSwipe() {
  const right = about.layers.find((layer) => layer.key === state.right);
  for (const part of document.querySelectorAll(".swiping")) part.hidden = !right;
  by("divider").hidden = !right;
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

function layerRow(layer, drawn) {
  const box = L.DomUtil.create("div", "layer");
  const check = element("input", { type: "checkbox", id: `on-${layer.key}` });
  const range = element("input", { type: "range", min: 1, max: 100, value: state.layers.get(layer.key) ?? 100,
    "aria-label": `Opacity of ${layer.title}, in per cent` });
  check.checked = state.layers.has(layer.key);
  const show = () => {
    range.disabled = !check.checked;
    if (check.checked) {
      state.layers.set(layer.key, Number(range.value));
      drawn.setOpacity(range.value / 100).addTo(map);
    } else { state.layers.delete(layer.key); drawn.remove(); }
  };
  const changed = () => { show(); drawLegend(); drawNote(); writeAddress(); };
  check.addEventListener("change", changed);
  range.addEventListener("input", changed);
  show();
  box.append(element("label", { for: check.id }, check, ` ${layer.title}`), range);
  return box;
}

function drawLayers() {
  const groups = new Map();
  about.layers.forEach((layer, place) => {
    const drawn = tiles(layer, "left").setZIndex(about.layers.length - place);
    if (!groups.has(layer.group)) groups.set(layer.group, element("fieldset", {}, element("legend", {}, layer.group)));
    groups.get(layer.group).append(layerRow(layer, drawn));
    by("right").append(element("option", { value: layer.key }, layer.title));
  });
  by("layers").append(...groups.values());
  by("right").value = state.right;
  by("swipe").value = state.swipe;
}

function drawOutline(unit) {
  outline?.remove();
  outline = L.geoJSON(unit.outline, { style: { color: "#ffd600", weight: 3, fill: false }, interactive: false }).addTo(map);
}

async function showUnit(name, moves) {
  const [level, code] = name.split(":");
  const turn = ++asked;
  const unit = await fetched(`units/${encodeURIComponent(level)}/${encodeURIComponent(code)}.json`);
  if (turn !== asked) return;
  state.unit = name;
  state.place = null;
  mark?.remove();
  drawOutline(unit);
  if (moves) map.fitBounds([[unit.bounds[1], unit.bounds[0]], [unit.bounds[3], unit.bounds[2]]]);
  by("place").replaceChildren(...unitAreas(unit));
  writeAddress();
}

async function showPlace(lon, lat) {
  const turn = ++asked;
  const found = await fetched(`at.json?lon=${lon}&lat=${lat}`);
  const units = await Promise.all(found.units.map((u) => fetched(`units/${u.level}/${encodeURIComponent(u.adcode)}.json`)));
  if (turn !== asked) return;
  state.place = [lon, lat];
  state.unit = "";
  mark?.remove();
  outline?.remove();
  if (units.length) drawOutline(units.at(-1));
  if (found.block) {
    const [west, south, east, north] = found.block.bounds;
    mark = L.rectangle([[south, west], [north, east]], { color: "#fff", weight: 2, fill: false, interactive: false }).addTo(map);
  }
  const parts = units.reverse().flatMap(unitAreas);
  parts.push(...(found.block ? blockFacts(found.block) : [element("p", {}, `The run knows no block ${found.block_name}.`)]));
  by("place").replaceChildren(...parts);
  writeAddress();
}

function failed(error) {
  by("place").replaceChildren(element("p", { role: "alert" }, `The server gave no answer: ${error.message}`));
}

let waiting;
function search() {
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    const words = by("search").value.trim();
    const found = words ? await fetched(`units.json?q=${encodeURIComponent(words)}`).catch(failed) ?? [] : [];
    if (words !== by("search").value.trim()) return;
    by("hits").replaceChildren(...found.map((unit) => {
      const button = element("button", { type: "button" }, `${unitName(unit)} (${unit.adcode})`);
      button.addEventListener("click", () => showUnit(`${unit.level}:${unit.adcode}`, true).catch(failed));
      return element("li", {}, button);
    }), ...(words && !found.length ? [element("li", {}, "No unit is called so.")] : []));
  }, 150);
}

function listen() {
  map.on("move zoomend resize", clip);
  map.on("moveend", () => { drawNote(); writeAddress(); });
  map.on("click", (event) => showPlace(event.latlng.lng, event.latlng.lat).catch(failed));
  by("map").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target !== by("map")) return;
    const centre = map.getCenter();
    showPlace(centre.lng, centre.lat).catch(failed);
  });
  by("right").addEventListener("change", () => { state.right = by("right").value; drawSwipe(); drawLegend(); drawNote(); writeAddress(); });
  by("swipe").addEventListener("input", () => { state.swipe = Number(by("swipe").value); clip(); writeAddress(); });
  by("search").addEventListener("input", () => search());
  by("finder").addEventListener("submit", (event) => { event.preventDefault(); by("hits").querySelector("button")?.click(); });
  by("skip").addEventListener("click", (event) => { event.preventDefault(); by("search").focus(); });
  addEventListener("hashchange", () => location.reload());
}

async function start() {
  about = await fetched("about.json");
  document.title = by("title").textContent = about.title;
  const view = readAddress();
  map = L.map("map", { minZoom: about.least_zoom, maxZoom: about.most_zoom, attributionControl: false, worldCopyJump: false });
  for (const [name, height] of [["left", 300], ["right", 310]]) map.createPane(name).style.zIndex = height;
  L.control.scale({ imperial: false }).addTo(map);
  if (view) map.setView([view[0], view[1]], view[2]);
  else map.fitBounds([[about.bounds[1], about.bounds[0]], [about.bounds[3], about.bounds[2]]]);
  drawLayers();
  drawSwipe();
  drawLegend();
  drawNote();
  listen();
  if (state.unit) await showUnit(state.unit, !view).catch(failed);
  else if (state.place) await showPlace(...state.place).catch(failed);
  document.body.dataset.ready = "yes";
}

start().catch(failed);
