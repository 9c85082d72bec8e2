// What the page asks for, from files beside it. They are scripts, because a page on a disk may load no other texts.
"use strict";

const waiting = new Map();

function given(name, answer) {
  waiting.get(name)?.(answer);
}

function loaded(name) {
  return new Promise((answer, fail) => {
    waiting.set(name, answer);
    const script = document.createElement("script");
    script.src = `${name}.js`;
    script.addEventListener("error", () => fail(new Error(`there is no file ${name}.js`)));
    script.addEventListener("load", () => script.remove());
    document.head.append(script);
  });
}

const kept = new Map();

function once(name) {
  if (!kept.has(name)) kept.set(name, loaded(name));
  return kept.get(name);
}

// Whether a point lies in a ring: how often a line to the east crosses it.
function inRing([lon, lat], ring) {
  let inside = false;
  for (let i = 0, before = ring.length - 1; i < ring.length; before = i, i += 1) {
    const [x, y] = ring[i], [u, v] = ring[before];
    if ((y > lat) !== (v > lat) && lon < (u - x) * (lat - y) / (v - y) + x) inside = !inside;
  }
  return inside;
}

function holds(shape, point) {
  const polygons = shape.type === "Polygon" ? [shape.coordinates] : shape.type === "MultiPolygon" ? shape.coordinates : [];
  return polygons.some(([outer, ...holes]) => inRing(point, outer) && !holes.some((hole) => inRing(point, hole)));
}

async function unitsAt(lon, lat) {
  const near = (await once("units")).filter(({ bounds: [west, south, east, north] }) => lon >= west && lon <= east && lat >= south && lat <= north);
  const told = await Promise.all(near.map((unit) => once(unit.file)));
  return near.filter((unit, i) => holds(told[i].outline, [lon, lat]));
}

async function blockAt(lon, lat) {
  const row = Math.floor((90 - lat) / about.block_deg + 1e-9), col = Math.floor((lon + 180) / about.block_deg + 1e-9);
  const named = (r, c) => `r${String(r).padStart(4, "0")}c${String(c).padStart(4, "0")}`;
  const corner = (place) => place - place % about.square_blocks;
  const square = await once(`blocks/${named(corner(row), corner(col))}`).catch(() => ({}));
  return { block: square[named(row, col)] ?? null, block_name: named(row, col) };
}

const data = {
  about: () => once("about"),
  units: () => once("units"),
  unit: (unit) => once(unit.file),
  outlines: (level) => once(`outlines/${level}`),
  at: async (lon, lat) => ({ units: await unitsAt(lon, lat), ...await blockAt(lon, lat) }),
  tiles: (layer) => `tiles/${layer.key}/{z}/{x}/{y}.${layer.kind}`,
};
