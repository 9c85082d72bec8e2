// What the side of the page shows of units and blocks. Texts of data become text nodes, never markup.
"use strict";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

function number(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

function table(caption, heads, rows) {
  const body = rows.map((row) => element("tr", {}, ...row.map((cell, i) =>
    i === 0 ? element("th", { scope: "row" }, cell) : element("td", { class: "number" }, cell))));
  return element("table", {}, element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...body));
}

function unitName(unit) {
  return [unit.name_en, unit.name_zh].filter(Boolean).join(" ") || unit.adcode;
}

function unitAreas(unit) {
  const parts = [element("h3", {}, `${unitName(unit)} (${unit.adcode}, level ${unit.level})`)];
  const said = [];
  if (unit.land_km2 !== null && unit.land_km2 !== undefined) said.push(`${number(unit.land_km2, 1)} km² of land`);
  if (unit.statistic_km2 !== null && unit.statistic_km2 !== undefined) said.push(`statistic ${number(unit.statistic_km2, 1)} km²`);
  if (said.length) parts.push(element("p", {}, `${said.join(", ")}.`));
  if (unit.estimate) {
    const e = unit.estimate;
    const ends = e.low_km2 === null ? "without an interval" : `interval ${number(e.low_km2, 1)} to ${number(e.high_km2, 1)} km²`;
    parts.push(element("p", {}, `Estimated from ${number(e.points)} labelled points: ${number(e.estimate_km2, 1)} km² of cropland, ${ends}.`));
  }
  if (unit.areas) {
    const percent = (value) => (value === null ? "–" : `${number(value, 1)} %`);
    const compared = unit.areas.some((one) => one.percent !== null);
    parts.push(table("Cropland on each map", ["map", "km²", "land it knows", ...(compared ? ["of the statistic"] : [])],
      unit.areas.map((one) => [one.map, number(one.km2), percent(one.known === null ? null : 100 * one.known), ...(compared ? [percent(one.percent)] : [])])));
  } else {
    parts.push(element("p", {}, "The run has no areas for this unit."));
  }
  return parts;
}

function blockFacts(block) {
  const parts = [element("h3", {}, `Block ${block.name}`)];
  for (const decision of block.decisions) {
    const words = [`${decision.title}: ${decision.answer}`];
    if (decision.confidence !== null) words.push(`confidence ${number(decision.confidence)}`);
    if (decision.reviewed !== null) words.push(`review says ${decision.reviewed}`);
    parts.push(element("p", {}, `${words.join(", ")}.`));
    const why = decision.override ? `Overridden by hand: ${decision.override}` : decision.note || decision.method;
    if (why) parts.push(element("p", { class: "about" }, `Why: ${why}`));
  }
  parts.push(table("What was measured", ["measure", "value"], block.features.map((feature) =>
    [feature.source ? `${feature.meaning} (${feature.source})` : feature.meaning, `${number(feature.value, 3)} ${feature.unit}`.trim()])));
  return parts;
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
  return [element("h3", {}, layer.title), list];
}
