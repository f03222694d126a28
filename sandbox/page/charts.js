// Charts of data_visualization as inline SVG, with a title that a screen reader reads.

const COLOURS = ["#1264a3", "#e8912d", "#2eb67d", "#e01e5a", "#7c3085", "#36c5f0", "#ecb22e", "#4a154b", "#9aa0a6", "#0b7285", "#c2255c", "#5c7cfa"];
const W = 520;
const H = 220;
const PAD = { left: 52, right: 12, top: 12, bottom: 40 };
const tag = (name, attributes, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const short = (n) => Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(n);

export function chart(spec, title) {
  const holder = document.createElement("div");
  holder.className = "chart";
  holder.append(spec.type === "pie" ? pie(spec.segments, title) : axes(spec, title));
  const names = spec.type === "pie" ? spec.segments.map((s) => s.label) : spec.series.map((s) => s.name);
  if (names.length > 1 || spec.type === "pie") {
    const legend = document.createElement("div");
    legend.className = "legend";
    names.forEach((name, n) => {
      const dot = document.createElement("i");
      dot.style.background = COLOURS[n];
      const item = document.createElement("span");
      item.append(dot, name);
      legend.append(item);
    });
    holder.append(legend);
  }
  return holder;
}

function nice(most) {
  if (most <= 4) return 4; // counts stay whole on the axis
  const scale = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 2.5, 5, 10].map((f) => f * scale).find((v) => v >= most);
}

function axes({ type, series, axis_config: axis }, title) {
  const categories = axis.categories;
  const value = (s, label) => s.data.find((p) => p.label === label)?.value ?? null;
  const all = series.flatMap((s) => s.data.map((p) => p.value));
  const top = nice(Math.max(...all, 0));
  const low = Math.min(...all, 0) < 0 ? -nice(-Math.min(...all)) : 0;
  const wide = W - PAD.left - PAD.right;
  const high = H - PAD.top - PAD.bottom;
  const y = (v) => PAD.top + high * (1 - (v - low) / (top - low));
  const slot = wide / categories.length;
  const x = (n) => PAD.left + slot * (n + 0.5);
  const svg = tag("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": title });
  for (let n = 0; n <= 4; n++) {
    const v = low + ((top - low) * n) / 4;
    svg.append(tag("line", { x1: PAD.left, x2: W - PAD.right, y1: y(v), y2: y(v), class: "grid" }), tag("text", { x: PAD.left - 8, y: y(v) + 4, "text-anchor": "end" }, short(v)));
  }
  const every = Math.ceil(categories.length / 8);
  categories.forEach((label, n) => { if (n % every === 0) svg.append(tag("text", { x: x(n), y: H - PAD.bottom + 16, "text-anchor": "middle" }, label)); });
  if (axis.x_label) svg.append(tag("text", { x: PAD.left + wide / 2, y: H - 4, "text-anchor": "middle", class: "axis" }, axis.x_label));
  if (axis.y_label) svg.append(tag("text", { x: 12, y: PAD.top + high / 2, "text-anchor": "middle", class: "axis", transform: `rotate(-90 12 ${PAD.top + high / 2})` }, axis.y_label));
  series.forEach((s, k) => {
    const points = categories.map((label, n) => ({ label, n, v: value(s, label) })).filter((p) => p.v !== null);
    const tip = (p) => tag("title", {}, `${s.name} · ${p.label}: ${p.v.toLocaleString("en")}`);
    if (type === "bar") {
      const thick = (slot * 0.7) / series.length;
      points.forEach((p) => svg.append(tag("rect", { x: x(p.n) - slot * 0.35 + thick * k, width: Math.max(1, thick - 1), y: Math.min(y(p.v), y(0)), height: Math.abs(y(p.v) - y(0)), rx: 2, fill: COLOURS[k] }, tip(p))));
      return;
    }
    const path = points.map((p, n) => `${n ? "L" : "M"}${x(p.n)},${y(p.v)}`).join("");
    if (type === "area" && points.length) svg.append(tag("path", { d: `${path}L${x(points.at(-1).n)},${y(0)}L${x(points[0].n)},${y(0)}Z`, fill: COLOURS[k], opacity: 0.18 }));
    svg.append(tag("path", { d: path, fill: "none", stroke: COLOURS[k], "stroke-width": 2, "stroke-linejoin": "round" }));
    points.forEach((p) => svg.append(tag("circle", { cx: x(p.n), cy: y(p.v), r: 3, fill: COLOURS[k] }, tip(p))));
  });
  return svg;
}

function pie(segments, title) {
  const total = segments.reduce((sum, s) => sum + s.value, 0) || 1;
  const svg = tag("svg", { viewBox: "-110 -110 220 220", role: "img", "aria-label": title, class: "pie" });
  let turned = -Math.PI / 2;
  segments.forEach((s, n) => {
    const end = turned + (s.value / total) * 2 * Math.PI;
    const at = (angle) => `${100 * Math.cos(angle)},${100 * Math.sin(angle)}`;
    const whole = s.value === total;
    const d = whole ? "M0,-100A100,100 0 1 1 -0.01,-100Z" : `M0,0L${at(turned)}A100,100 0 ${end - turned > Math.PI ? 1 : 0} 1 ${at(end)}Z`;
    svg.append(tag("path", { d, fill: COLOURS[n], class: "slice" }, tag("title", {}, `${s.label}: ${s.value.toLocaleString("en")} (${Math.round((100 * s.value) / total)} %)`)));
    turned = end;
  });
  return svg;
}
