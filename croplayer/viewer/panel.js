// What the panel says of units and blocks. Texts of data become text nodes, never markup.
"use strict";

const by = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

function missing(value) {
  return value === null || value === undefined;
}

function number(value, digits = 2) {
  if (missing(value)) return "–";
  if (typeof value !== "number") return String(value);
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

function table(caption, heads, rows) {
  const body = rows.map((row) => element("tr", row.own ? { class: "own" } : {}, ...row.cells.map((cell, i) =>
    i === 0 ? element("th", { scope: "row" }, cell) : element("td", { class: "number" }, cell))));
  return element("table", {}, caption ? element("caption", {}, caption) : "",
    element("thead", {}, element("tr", {}, ...heads.map((head, i) => element("th", { scope: "col", class: i ? "number" : "" }, head)))),
    element("tbody", {}, ...body));
}

function unitName(unit) {
  return [unit.name_en, unit.name_zh].filter(Boolean).join(" ") || unit.adcode;
}

function percent(share) {
  return missing(share) ? "–" : `${number(100 * share, 1)} %`;
}

// A map of a part of a unit gives no area of the whole unit.
function mapped(own) {
  if (missing(own.km2)) return element("p", {}, "The map knows none of its land.");
  return missing(own.known) || own.known > 0.9995 ? "" : element("p", {}, `The map knows only ${percent(own.known)} of its land.`);
}

function headline(unit) {
  const own = unit.areas?.[0];
  const estimate = unit.estimate;
  if (estimate && !missing(estimate.estimate_km2)) {
    const ends = missing(estimate.low_km2) ? "without an interval" : `95 % interval ${number(estimate.low_km2, 1)} to ${number(estimate.high_km2, 1)} km²`;
    return [
      element("p", { class: "big" }, `${number(estimate.estimate_km2, 1)} km² `, element("small", {}, "of cropland")),
      element("p", {}, `Estimated from ${number(estimate.points)} labelled points, ${ends}.`),
      own ? element("p", { class: "about" }, `The map counts ${number(own.km2)} km².`) : "",
      own ? mapped(own) : "",
    ];
  }
  if (!own) return [element("p", { class: "about" }, "The run has no areas for this unit.")];
  if (missing(own.km2)) return [mapped(own)];
  return [
    element("p", { class: "big" }, `${number(own.km2)} km² `, element("small", {}, "of cropland on the map")),
    mapped(own),
    element("p", { class: "about" }, "No interval: no sample was labelled in this unit."),
  ];
}

function unitAreas(unit) {
  const parts = [element("h3", {}, unitName(unit)), element("p", { class: "about" }, `code ${unit.adcode}, level ${unit.level}`), ...headline(unit)];
  const said = [];
  if (!missing(unit.land_km2)) said.push(`${number(unit.land_km2, 1)} km² of land`);
  if (!missing(unit.statistic_km2)) said.push(`statistic ${number(unit.statistic_km2, 1)} km²`);
  if (said.length) parts.push(element("p", {}, `${said.join(", ")}.`));
  if (unit.areas) {
    const compared = unit.areas.some((one) => !missing(one.percent));
    parts.push(element("details", {}, element("summary", {}, "Cropland on each map", element("small", {}, String(unit.areas.length))),
      table("", ["map", "km²", "land it knows", ...(compared ? ["of the statistic"] : [])],
        unit.areas.map((one, i) => ({ own: i === 0, cells: [one.map, number(one.km2), percent(one.known),
          ...(compared ? [percent(missing(one.percent) ? null : one.percent / 100)] : [])] })))));
  }
  return parts;
}

// Addresses come from a recipe; only pages of the web become links.
function termsOf(stated) {
  if (!/^https?:/.test(stated.terms)) return stated.licence;
  return element("a", { href: stated.terms, rel: "noopener noreferrer", target: "_blank" }, stated.licence);
}

function licences() {
  if (!about.licences.length) return [];
  return [element("details", {}, element("summary", {}, "Licences", element("small", {}, String(about.licences.length))),
    element("dl", {}, ...about.licences.flatMap((stated) => [element("dt", {}, stated.of), element("dd", {}, termsOf(stated))])))];
}

// A block is about 146 pixels wide at this zoom, whatever the lattice.
const PICTURE_ZOOM = 12;

// A small map of the block for each layer, from the same tiles as the large one.
function pictures(block) {
  const [west, south, east, north] = block.bounds;
  const shown = about.layers.filter((layer) => layer.group === "Imagery" || layer.key === "map");
  const figures = shown.map((layer) => {
    const place = element("div", { "aria-hidden": "true" });
    const [first, last] = [[north, west], [south, east]].map((corner) => L.CRS.EPSG3857.latLngToPoint(L.latLng(corner), PICTURE_ZOOM));
    place.style.width = `${last.x - first.x}px`;
    place.style.height = `${last.y - first.y}px`;
    requestAnimationFrame(() => {
      if (!place.isConnected) return;
      const small = L.map(place, { zoomControl: false, attributionControl: false, dragging: false, keyboard: false,
        scrollWheelZoom: false, doubleClickZoom: false, boxZoom: false, touchZoom: false, fadeAnimation: false });
      small.setView(L.CRS.EPSG3857.pointToLatLng(first.add(last).divideBy(2), PICTURE_ZOOM), PICTURE_ZOOM);
      tiles(layer, "tilePane", { minZoom: 0, maxZoom: 22, bounds: boxOf(block.bounds) }).addTo(small);
    });
    return element("figure", {}, place, element("figcaption", {}, layer.title));
  });
  return element("div", { class: "pictures" }, ...figures);
}

function decided(decision) {
  const words = [];
  if (!missing(decision.confidence)) words.push(`confidence ${number(decision.confidence)}`);
  if (!missing(decision.reviewed)) words.push(`a review says ${decision.reviewed}`);
  const why = decision.override ? `overridden by hand, ${decision.override}` : decision.note || [decision.reason, decision.method].filter(Boolean).join("; ");
  return element("div", { class: "decision" },
    element("p", {}, `${decision.title}: `, element("strong", {}, String(decision.answer)), words.length ? element("span", { class: "tag" }, words.join(", ")) : ""),
    why ? element("p", { class: "about" }, `Why: ${why}`) : "");
}

function blockFacts(block) {
  const measured = about.features.map((feature, i) => ({ feature, value: block.values[i] })).filter(({ value }) => !missing(value));
  return [
    element("h3", {}, `Block ${block.name}`),
    pictures(block),
    ...block.taken.map((one) => element("p", { class: "about" }, `${one.source}: imagery of ${one.from === one.to ? one.from : `${one.from} to ${one.to}`}`)),
    element("h4", {}, "Decisions"),
    ...block.decisions.map(decided),
    ...(block.review ? [element("p", { class: "about" }, `This block was ${block.review}`)] : []),
    ...(block.decisions.length ? [] : [element("p", { class: "about" }, "Nothing was decided here.")]),
    table("What was measured", ["measure", "value"], measured.map(({ feature, value }) => ({
      cells: [feature.source ? `${feature.meaning} (${feature.source})` : feature.meaning, `${number(value, 3)} ${feature.unit}`.trim()] }))),
  ];
}

function legendOf(layer) {
  const list = element("ul", { class: "swatches" });
  for (const swatch of layer.legend) {
    const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    picture.setAttribute("aria-hidden", "true");
    const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [key, value] of [["width", "100%"], ["height", "100%"], ["fill", swatch.colour]]) box.setAttribute(key, value);
    picture.append(box);
    list.append(element("li", {}, picture, swatch.label));
  }
  return list;
}
