/** An SVG element; see make. */
function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Round numbers that span an interval, about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(Number((i * step).toPrecision(12)));
  return found;
}

/** Where values go on an axis: logarithmic where they span orders of magnitude, as learning rates do. */
function axis(values, from, to, mayBeLog) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const log = mayBeLog && low > 0 && high / low >= 20;
  if (log) {
    const [first, last] = [Math.floor(Math.log10(low) + 1e-9), Math.ceil(Math.log10(high) - 1e-9)];
    const at = (value) => from + ((Math.log10(value) - first) / (last - first)) * (to - from);
    return { at, log, ticks: Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i)) };
  }
  const margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 0.5;
  [low, high] = [low - margin, high + margin];
  const at = (value) => from + ((value - low) / (high - low)) * (to - from);
  return { at, log, ticks: ticks(low, high, 5) };
}

function tick(value) {
  return Number(value.toPrecision(6)).toString();
}

/**
 * A scatter of runs. `points` have x, y, run; `names` are [across, up]; `logs` whether an axis may be
 * logarithmic; `describe(point)` gives lines for the label, `hue(run)` a class.
 */
function scatter(svg, label, points, names, logs, describe, hue) {
  const [left, right, top, bottom] = [62, 704, 14, 372];
  svg.replaceChildren();
  label.hidden = true;
  if (!points.length) {
    svg.append(draw("text", { x: 360, y: 200, "text-anchor": "middle" }, "No run has both."));
    return;
  }
  const across = axis(points.map((point) => point.x), left, right, logs[0]);
  const up = axis(points.map((point) => point.y), bottom, top, logs[1]);
  for (const value of across.ticks) {
    const x = across.at(value);
    svg.append(draw("line", { x1: x, x2: x, y1: top, y2: bottom }));
    svg.append(draw("text", { x, y: bottom + 18, "text-anchor": "middle" }, tick(value)));
  }
  for (const value of up.ticks) {
    const y = up.at(value);
    svg.append(draw("line", { x1: left, x2: right, y1: y, y2: y }));
    svg.append(draw("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, tick(value)));
  }
  const told = names.map((name, i) => name + ([across, up][i].log ? " (logarithmic)" : ""));
  svg.append(draw("text", { x: (left + right) / 2, y: bottom + 42, "text-anchor": "middle" }, told[0]));
  svg.append(draw("text", { x: 14, y: (top + bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 14 ${(top + bottom) / 2})` }, told[1]));
  for (const point of points) {
    const [x, y] = [across.at(point.x), up.at(point.y)];
    const lines = describe(point);
    const shape = [draw("circle", { cx: x, cy: y, r: 9 }), draw("text", { x, y: y + 3.5 }, point.run.group)];
    const mark = point.run.link
      ? draw("a", { href: point.run.link, class: `mark ${hue(point.run)}`, "aria-label": lines.join(", ") }, ...shape)
      : draw("g", { tabindex: 0, role: "img", class: `mark ${hue(point.run)}`, "aria-label": lines.join(", ") }, ...shape);
    const show = () => place(svg, label, x, y, lines);
    const hide = () => { label.hidden = true; };
    for (const event of ["mouseenter", "focus", "touchstart"]) mark.addEventListener(event, show, { passive: true });
    for (const event of ["mouseleave", "blur"]) mark.addEventListener(event, hide);
    svg.append(mark);
  }
}

/** Puts the label beside a point, inside the figure. */
function place(svg, label, x, y, lines) {
  label.replaceChildren(...lines.map((line) => make("p", {}, line)));
  label.hidden = false;
  const [box, figure] = [svg.getBoundingClientRect(), svg.parentElement.getBoundingClientRect()];
  const scale = box.width / 720;
  const [across, down] = [box.left - figure.left + x * scale, box.top - figure.top + y * scale];
  const width = label.offsetWidth;
  label.style.left = `${Math.max(4, Math.min(figure.width - width - 4, across - width / 2))}px`;
  const height = label.offsetHeight;
  label.style.top = `${down > height + 20 ? down - height - 14 : down + 14}px`;
}
