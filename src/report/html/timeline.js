"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const plot = document.getElementById("plot"), tip = document.getElementById("tip"), list = document.getElementById("lines"), find = document.getElementById("find");
const sources = [...new Set(data.events.map((e) => e.s))], hidden = new Set();
const end = Math.max(1, ...data.events.map((e) => e.t)) * 1.02, keys = new Set(data.evidence.map(([t, s]) => t + s));
let from = 0, to = end, drag = null;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const left = 84, top0 = 46;
const lanes = () => sources.filter((s) => !hidden.has(s));
const x = (t, width) => left + ((t - from) / (to - from)) * (width - left - 10);
function draw() {
  const ratio = window.devicePixelRatio || 1, width = plot.clientWidth, height = plot.clientHeight;
  plot.width = width * ratio; plot.height = height * ratio;
  const c = plot.getContext("2d"); c.scale(ratio, ratio); c.font = "12px system-ui, sans-serif"; c.textBaseline = "middle";
  const shown = lanes(), step = (height - top0 - 26) / Math.max(1, shown.length);
  data.stages.forEach((s, i) => {
    const next = data.stages[i + 1] ? data.stages[i + 1].t : end, a = Math.max(left, x(s.t, width)), b = Math.min(width - 10, x(next, width));
    if (b <= a) return;
    c.fillStyle = css("--accent"); c.globalAlpha = i % 2 ? 0.28 : 0.16; c.fillRect(a, 8, b - a, 26); c.globalAlpha = 1;
    c.fillStyle = css("--fg"); if (b - a > c.measureText(s.name).width + 8) c.fillText(s.name, a + 4, 21);
  });
  c.fillStyle = css("--dim"); c.fillText("stage", 10, 21);
  shown.forEach((s, i) => { c.fillStyle = css("--dim"); c.fillText(s, 10, top0 + step * (i + 0.5)); c.fillStyle = css("--line"); c.fillRect(left, top0 + step * (i + 1) - 1, width - left - 10, 1); });
  for (const e of data.events) {
    const i = shown.indexOf(e.s); if (i < 0 || e.t < from || e.t > to) continue;
    const key = keys.has(e.t + e.s); c.fillStyle = css(key ? "--bad" : "--fg"); c.globalAlpha = key ? 1 : 0.45;
    c.fillRect(x(e.t, width), top0 + step * i + 4, key ? 2.5 : 1, step - 9);
  }
  c.globalAlpha = 1; c.fillStyle = css("--dim");
  const unit = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200].find((u) => (to - from) / u < 12) || 500;
  for (let t = Math.ceil(from / unit) * unit; t < to; t += unit) c.fillText(t.toFixed(unit < 1 ? 2 : 0) + " s", x(t, width), height - 12);
}
function fill() {
  const words = find.value.toLowerCase(); list.replaceChildren(); let count = 0;
  for (const e of data.events) {
    if (hidden.has(e.s) || e.t < from || e.t > to || (words && !e.x.toLowerCase().includes(words)) || ++count > 3000) continue;
    const row = document.createElement("div"); row.className = keys.has(e.t + e.s) ? "mono key" : "mono";
    for (const text of [e.t.toFixed(3), e.s, e.x]) { const cell = document.createElement("span"); cell.textContent = text; row.append(cell); }
    list.append(row);
  }
}
function view(a, b) { const span = Math.min(end, Math.max(0.02, b - a)); from = Math.max(0, Math.min(a, end - span)); to = from + span; draw(); fill(); }
const time = (event) => from + ((event.offsetX - left) / (plot.clientWidth - left - 10)) * (to - from);
plot.addEventListener("wheel", (e) => { e.preventDefault(); const t = time(e), f = e.deltaY < 0 ? 0.8 : 1.25; view(t - (t - from) * f, t + (to - t) * f); }, { passive: false });
plot.addEventListener("pointerdown", (e) => { drag = { t: time(e) }; plot.setPointerCapture(e.pointerId); });
plot.addEventListener("pointerup", () => { drag = null; });
plot.addEventListener("dblclick", () => view(0, end));
plot.addEventListener("pointermove", (e) => {
  if (drag) { const d = drag.t - time(e); view(from + d, to + d); return; }
  const t = time(e), shown = lanes(), lane = shown[Math.floor((e.offsetY - top0) / ((plot.clientHeight - top0 - 26) / Math.max(1, shown.length)))];
  let best = null; for (const o of data.events) if ((!lane || o.s === lane) && !hidden.has(o.s) && (!best || Math.abs(o.t - t) < Math.abs(best.t - t))) best = o;
  tip.textContent = best ? best.t.toFixed(3) + " s  " + best.s + "  " + best.x : "";
});
const tools = document.getElementById("sources");
for (const s of sources) {
  const label = document.createElement("label"), box = document.createElement("input"); box.type = "checkbox"; box.checked = true;
  box.addEventListener("change", () => { if (box.checked) hidden.delete(s); else hidden.add(s); draw(); fill(); });
  label.append(box, " " + s); tools.append(label);
}
find.addEventListener("input", fill); window.addEventListener("resize", draw); matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
view(0, end);
