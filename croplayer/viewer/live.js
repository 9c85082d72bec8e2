// What the page asks for, from the server that shows the run.
"use strict";

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

const data = {
  about: () => fetched("about.json"),
  units: () => fetched("units.json"),
  unit: (unit) => fetched(`units/${unit.level}/${encodeURIComponent(unit.adcode)}.json`),
  outlines: (level) => fetched(`outlines/${level}.json`),
  at: (lon, lat) => fetched(`at.json?lon=${lon}&lat=${lat}`),
  tiles: (layer) => `tiles/${layer.key}/{z}/{x}/{y}.png`,
};
