// The map: where it looks, search, clicks, and the address that says all of it.
"use strict";

const state = { layers: new Map(), right: "", swipe: 50, unit: "", place: null, box: null };
let about, units, map, outline, mark, asked = 0;

function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  state.layers = new Map();
  const keys = new Set(about.layers.map((layer) => layer.key));
  for (const part of (said.get("layers") ?? "imagery-0:100,map:60").split(",")) {
    const [key, percent] = part.split(":");
    if (keys.has(key)) state.layers.set(key, Math.min(Math.max(Number(percent) || 100, 1), 100));
  }
  state.right = keys.has(said.get("right")) ? said.get("right") : "";
  state.swipe = Math.min(Math.max(Number(said.get("swipe") ?? 50) || 0, 0), 100);
  state.unit = said.get("unit") ?? "";
  const at = (said.get("at") ?? "").split(",").map(Number);
  state.place = at.length === 2 && at.every(Number.isFinite) ? at : null;
  const box = (said.get("box") ?? "").split(",").map(Number);
  state.box = box.length === 4 && box.every(Number.isFinite) ? box : about.bounds;
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

function tell(parts) {
  by("place").replaceChildren(...parts);
  by("panel").hidden = !parts.length;
  by("panel").scrollTop = 0;
  document.body.classList.toggle("told", parts.length > 0);
  map?.invalidateSize({ pan: false });
  if (map) clip();
}

// What the panel covers of the map where there is no room beside it.
function covered() {
  const box = by("panel").getBoundingClientRect(), below = by("map").getBoundingClientRect();
  return box.left < below.right && !by("panel").hidden ? L.point(30, Math.min(box.height + 30, below.height / 2)) : L.point(30, 30);
}

function forget() {
  asked += 1;
  state.unit = "";
  state.place = null;
  outline?.remove();
  mark?.remove();
}

async function drawBorders() {
  for (const level of about.levels) {
    const found = await data.outlines(level);
    const weight = level === about.levels[0] ? 2.5 : 1;
    L.geoJSON(found, { pane: "borders", style: { color: "#fff", weight, opacity: 0.9, fill: false }, interactive: false }).addTo(map);
  }
}

function drawOutline(unit) {
  outline?.remove();
  outline = L.geoJSON(unit.outline, { style: { color: "#ffb300", weight: 3.5, fill: false }, interactive: false }).addTo(map);
}

async function showUnit(name, moves) {
  const short = (await units).find((unit) => `${unit.level}:${unit.adcode}` === name);
  if (!short) throw new Error(`the run has no unit ${name}`);
  const turn = ++asked;
  const unit = await data.unit(short);
  if (turn !== asked) return;
  forget();
  state.unit = name;
  drawOutline(unit);
  tell(unitAreas(unit));
  if (moves) map.fitBounds(boxOf(unit.bounds), { paddingTopLeft: [30, 30], paddingBottomRight: covered() });
  writeAddress();
}

async function showPlace(lon, lat) {
  const turn = ++asked;
  const found = await data.at(lon, lat);
  const told = await Promise.all(found.units.map(data.unit));
  if (turn !== asked) return;
  forget();
  state.place = [lon, lat];
  if (told.length) drawOutline(told.at(-1));
  if (found.block) mark = L.rectangle(boxOf(found.block.bounds), { color: "#fff", weight: 2.5, dashArray: "6 4", fill: false, interactive: false }).addTo(map);
  const parts = told.reverse().flatMap((unit) => [...unitAreas(unit), element("hr")]);
  parts.push(...(found.block ? blockFacts(found.block) : [element("p", { class: "about" }, `The run knows no block ${found.block_name}.`)]));
  tell(parts);
  map.panInside([lat, lon], { paddingTopLeft: [30, 30], paddingBottomRight: covered() });
  writeAddress();
}

function failed(error) {
  tell([element("p", { role: "alert" }, `There was no answer: ${error.message}`)]);
}

function hitsOf(listed, words) {
  const names = (unit) => [unit.name_en, unit.name_zh, unit.adcode].map((name) => name.toLowerCase());
  const holding = listed.filter((unit) => names(unit).some((name) => name.includes(words)));
  const begins = (unit) => names(unit).some((name) => name.startsWith(words));
  return [...holding.filter(begins), ...holding.filter((unit) => !begins(unit))].slice(0, 12);
}

async function search() {
  const words = by("search").value.trim().toLowerCase();
  const found = words ? hitsOf(await units, words) : [];
  if (words !== by("search").value.trim().toLowerCase()) return;
  by("hits").replaceChildren(...found.map((unit) => {
    const button = element("button", { type: "button" }, unitName(unit), element("small", {}, unit.adcode));
    button.addEventListener("click", () => showUnit(`${unit.level}:${unit.adcode}`, true).catch(failed));
    return element("li", {}, button);
  }), ...(words && !found.length ? [element("li", { class: "about" }, "No unit is called so.")] : []));
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
  by("search").addEventListener("input", () => search().catch(failed));
  by("finder").addEventListener("submit", (event) => { event.preventDefault(); by("hits").querySelector("button")?.click(); });
  by("close").addEventListener("click", () => { forget(); tell([]); writeAddress(); by("map").focus(); });
  by("skip").addEventListener("click", (event) => { event.preventDefault(); by("search").focus(); });
  addEventListener("hashchange", () => location.reload());
}

async function start() {
  about = await data.about();
  units = data.units();
  units.catch(failed);
  document.title = `${about.title}, ${about.edition}`;
  by("title").textContent = about.title;
  by("edition").textContent = `edition ${about.edition}`;
  const view = readAddress();
  map = L.map("map", { minZoom: about.least_zoom, maxZoom: about.most_zoom, attributionControl: false, worldCopyJump: false, preferCanvas: true });
  for (const [name, height] of [["left", 300], ["right", 310], ["borders", 350]]) map.createPane(name).style.zIndex = height;
  map.getPane("borders").style.pointerEvents = "none";
  L.control.scale({ imperial: false }).addTo(map);
  if (view) map.setView([view[0], view[1]], view[2]);
  else map.fitBounds(boxOf(state.box));
  drawLayers();
  drawSwipe();
  drawNote();
  by("licences").replaceChildren(...licences());
  listen();
  listenToLine();
  await drawBorders().catch(failed);
  if (state.unit) await showUnit(state.unit, !view).catch(failed);
  else if (state.place) await showPlace(...state.place).catch(failed);
  document.body.dataset.ready = "yes";
}

start().catch(failed);
