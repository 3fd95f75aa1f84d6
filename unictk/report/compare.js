const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const HUES = 8;
const MANY = 12; // with more metrics than this, losses are not shown at first

const letters = data.groups.map((group) => group.letter);
const hue = (run) => (run.group ? `hue${letters.indexOf(run.group) % HUES}` : "hue7");
const badge = (letter) => make("span", { class: `letter ${hue({ group: letter })}` }, letter);
const tags = [...new Set(data.runs.flatMap((run) => run.tags))].sort();
const finished = (run) => run.state === "done";
const few = data.metrics.length <= MANY || data.metrics.every((metric) => metric.less);
const chosen = new Set(data.metrics.map((metric, i) => i).filter((i) => few || !data.metrics[i].less));

/** What a run is found by. */
function haystack(run) {
  const settings = run.settings.map((value, i) => `${data.settings[i]}=${value}`);
  return [run.name, run.state, run.reason, run.concept, run.group, ...run.tags, ...settings].join(" ").toLowerCase();
}
const haystacks = data.runs.map(haystack);

function visibleRuns() {
  const words = find("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const tag = find("tag").value;
  return data.runs.filter((run, i) => words.every((word) => haystacks[i].includes(word)) && (!tag || run.tags.includes(tag)));
}

function duration(seconds) {
  if (seconds === null) return "";
  return seconds < 90 ? `${seconds.toFixed(0)} s` : seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function textColumn(name, value, cell) {
  const plain = (row) => make("td", { class: "text", title: value(row) || null }, String(value(row)));
  return { name, heading: breakable(name), title: name, text: true, value: (row) => sortable(value(row)), cell: cell || plain };
}

/** Settings that are numbers sort as numbers. */
function sortable(value) {
  return value !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
}

function runCell(run) {
  const [, start, hash] = run.name.match(/^(.*?)(-[0-9a-f]{8})?$/s); // what tells long names apart stays in sight
  const parts = [make("span", { class: "start" }, start), make("span", {}, hash || "")];
  const name = run.link ? make("a", { href: run.link, class: "name" }, ...parts) : make("span", { class: "name" }, ...parts);
  return make("th", { scope: "row", title: run.name }, name, run.reason ? make("small", { class: "down" }, run.reason) : null);
}

function stateCell(run) {
  const kind = ["done", "failed", "running"].includes(run.state) ? run.state : "flat";
  return make("td", { class: "text" }, make("span", { class: `badge ${kind}` }, run.state));
}

/** A metric's number in a run: its score, or what training changed. */
function score(run, i) {
  if (find("mode").value === "score") return run.scores[i];
  return run.scores[i] === null || run.before[i] === null ? null : run.scores[i] - run.before[i];
}

function scoreColumn(i, runs) {
  const { name, meaning, less } = data.metrics[i];
  const values = runs.filter(finished).map((run) => score(run, i)).filter((value) => value !== null);
  const best = less ? Math.min(...values) : Math.max(...values);
  const ranks = [...new Set(values)].sort((a, b) => (less ? b - a : a - b));
  const show = find("mode").value === "score" ? short : signed;
  const cell = (run) => {
    const value = score(run, i);
    const td = make("td", { class: "score" }, value === null ? "–" : show(value));
    if (value !== null && finished(run) && ranks.length > 1) {
      td.style.setProperty("--heat", `${Math.round((22 * ranks.indexOf(value)) / (ranks.length - 1))}%`);
      if (value === best) td.classList.add("best");
    }
    return td;
  };
  const title = meaning + (less ? `${meaning ? "; " : ""}less is better` : "");
  return { name, heading: breakable(name), title, down: !less, value: (run) => score(run, i), cell };
}

const runsTable = new SortableTable(find("runs-table"));
const groupsTable = new SortableTable(find("groups-table"));

function showRuns() {
  const runs = visibleRuns();
  const some = (value) => data.runs.some(value);
  const columns = [
    { ...textColumn("run", (run) => run.name), cell: runCell },
    textColumn("state", (run) => run.state, stateCell),
    ...(letters.length > 1 ? [textColumn("group", (run) => run.group, (run) => make("td", { class: "text" }, run.group ? badge(run.group) : ""))] : []),
    ...data.settings.map((key, i) => textColumn(key, (run) => run.settings[i])),
    ...(tags.length ? [textColumn("tags", (run) => run.tags.join(" "))] : []),
    ...[...chosen].sort((a, b) => a - b).map((i) => scoreColumn(i, runs)),
    ...(some((run) => run.seconds !== null)
      ? [{ name: "time", heading: ["time"], value: (run) => run.seconds, cell: (run) => make("td", {}, duration(run.seconds)) }] : []),
  ];
  runsTable.show(columns, runs);
  find("count").textContent = `${runs.length} of ${data.runs.length} runs.`;
  showScatter(runs);
}

/** [mean, low, high, concepts, scores] of a group, or of its difference to the reference. */
function measured(group, i) {
  const other = find("reference").value;
  if (!other) return group.scores[i];
  const found = data.differences[`${group.letter} ${other}`];
  if (found) return found[i];
  const back = data.differences[`${other} ${group.letter}`]?.[i];
  return back ? [-back[0], back[2] === null ? null : -back[2], back[1] === null ? null : -back[1], back[3], back[4]] : null;
}

function intervalColumn(i) {
  const { name, meaning, less } = data.metrics[i];
  const other = find("reference").value;
  const all = data.groups.map((group) => measured(group, i)).filter(Boolean);
  const ends = [...all.flatMap((one) => [one[0], one[1] ?? one[0], one[2] ?? one[0]]), ...(other ? [0] : [])];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const at = (value) => `${high > low ? (100 * (value - low)) / (high - low) : 50}%`;
  const best = less ? Math.min(...all.map((one) => one[0])) : Math.max(...all.map((one) => one[0]));
  const differ = new Set(all.map((one) => one[0])).size > 1;
  const cell = (group) => {
    const one = measured(group, i);
    if (!one) return make("td", {}, "–");
    const [mean, from, to, concepts, count] = one;
    const clear = other && from !== null && (from > 0 || to < 0);
    const good = clear ? ((mean > 0) !== less ? "up" : "down") : null;
    const about = `${concepts} concept${concepts === 1 ? "" : "s"}, ${count} ${other ? "pair" : "run"}${count === 1 ? "" : "s"}`;
    const td = make("td", { title: about, class: !other && differ && mean === best ? "best" : null },
      make("span", { class: good }, (clear ? (mean > 0 ? "▲ " : "▼ ") : "") + (other ? signed(mean) : short(mean))));
    if (from !== null) {
      td.append(make("small", {}, `${other ? signed(from) : short(from)} … ${other ? signed(to) : short(to)}`));
      const [bar, dot] = [make("i"), make("b")];
      bar.style.left = at(from);
      bar.style.width = `calc(${at(to)} - ${at(from)})`;
      dot.style.left = at(mean);
      td.append(make("span", { class: "range", "aria-hidden": "true" }, bar, dot));
    }
    return td;
  };
  return { name, heading: breakable(name), title: meaning, down: !less, value: (group) => measured(group, i)?.[0] ?? null, cell };
}

function showGroups() {
  const other = find("reference").value;
  const heading = (group) => make("th", { scope: "row" }, badge(group.letter), group.other ? make("small", { class: "soft" }, group.other) : null);
  const columns = [
    { ...textColumn("group", (group) => group.letter), cell: heading },
    ...data.designs.map((key, i) => textColumn(key, (group) => group.settings[i])),
    ...(tags.length ? [textColumn("tags", (group) => group.tags.join(" "))] : []),
    ...["concepts", "runs"].map((key) => ({ name: key, heading: [key], down: true, value: (group) => group[key], cell: (group) => make("td", {}, String(group[key])) })),
    ...[...chosen].sort((a, b) => a - b).map(intervalColumn),
  ];
  groupsTable.show(columns, data.groups.filter((group) => group.letter !== other));
}

/** What an axis can show: metrics, and settings that are numbers. */
const axes = [
  ...data.metrics.map((metric, i) => ({ name: metric.name, value: (run) => run.scores[i], log: false })),
  ...data.settings
    .map((key, i) => ({ name: key, value: (run) => (run.settings[i] === "" ? null : Number(run.settings[i])), log: true }))
    .filter((one) => data.runs.every((run) => one.value(run) === null || Number.isFinite(one.value(run)))),
];

function showScatter(runs) {
  const [across, up] = ["across", "up"].map((id) => axes[Number(find(id).value)]);
  if (!across || !up) return;
  const points = runs.map((run) => ({ run, x: across.value(run), y: up.value(run) })).filter((point) => point.x !== null && point.y !== null);
  const describe = ({ run, x, y }) => [
    run.name,
    ...run.settings.map((value, i) => (value === "" ? "" : `${data.settings[i]} = ${value}`)).filter(Boolean),
    `${across.name} ${short(x)}`,
    `${up.name} ${short(y)}`,
  ];
  scatter(find("plot"), find("point"), points, [across.name, up.name], [across.log, up.log], describe, hue);
}

function start() {
  for (const tag of tags) find("tag").append(make("option", { value: tag }, tag));
  find("tag-label").hidden = !tags.length;
  for (const letter of letters) find("reference").append(make("option", { value: letter }, `differences to ${letter}`));
  find("groups").hidden = !data.groups.length;
  find("scatter").hidden = axes.length < 2;
  for (const id of ["across", "up"]) axes.forEach((one, i) => find(id).append(make("option", { value: i }, one.name)));
  const scores = data.metrics.map((metric, i) => i).filter((i) => !data.metrics[i].less);
  const goal = data.metrics.findIndex((metric) => metric.name === data.objective);
  const up = goal >= 0 ? goal : scores[0] ?? 0;
  find("up").value = up;
  find("across").value = scores.find((i) => i !== up) ?? (up ? 0 : Math.min(1, axes.length - 1));
  data.metrics.forEach((metric, i) => {
    const box = make("input", { type: "checkbox", value: i });
    box.checked = chosen.has(i);
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(i);
      else chosen.delete(i);
      showRuns();
      showGroups();
    });
    find("boxes").append(make("label", {}, box, ` ${metric.name}`));
  });
  if (goal >= 0) Object.assign(runsTable, { by: data.objective, down: !data.metrics[goal].less });
  find("controls").addEventListener("submit", (event) => event.preventDefault());
  find("find").addEventListener("input", showRuns);
  for (const id of ["tag", "mode", "across", "up"]) find(id).addEventListener("change", showRuns);
  find("reference").addEventListener("change", showGroups);
  showRuns();
  showGroups();
}

start();
