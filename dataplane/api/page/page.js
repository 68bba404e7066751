// Everything from the network becomes text, never markup: process and pod names are hostile.
"use strict";

const PROTOCOLS = { 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6" };
// While events arrive, tables are read anew this often.
const REFRESH_MS = 2000;
const at = (id) => document.getElementById(id);

function element(tag, text, ...classes) {
  const made = document.createElement(tag);
  made.textContent = text;
  made.classList.add(...classes);
  return made;
}

function row(table, ...cells) {
  const line = document.createElement("tr");
  line.append(...cells);
  at(table).tBodies[0].append(line);
}

const cell = (text, ...classes) => element("td", text, ...classes);
const endpoint = (address, port) =>
  cell(address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`, "address");

async function ask(path) {
  const response = await fetch(`/api/v1/${path}`);
  const document = await response.json();
  if (!response.ok) throw new Error(document.detail);
  return document;
}

async function showAnswers() {
  const { answers, not_applicable, scenario } = await ask("answers");
  at("scenario").textContent = scenario ?? "";
  at("answers").tBodies[0].replaceChildren();
  for (const one of answers) {
    row("answers", cell(one.check), cell(one.state, one.state), cell(one.looked_at, "number"), cell(one.reason));
  }
  at("left-out").replaceChildren(
    ...not_applicable.map((one) => element("li", `${one.check}: not applicable, ${one.reason}`)),
  );
  const count = (state) => answers.filter((one) => one.state === state).length;
  at("summary").textContent = answers.length
    ? `${count("holds")} hold, ${count("broken")} broken, ${count("unknown")} unknown`
    : "no answers yet";
}

// What each owner did over each family, out of the metrics: labels are name="value", escaped as in C.
async function showFamilies() {
  const owners = new Map();
  for (const line of (await (await fetch("/metrics")).text()).split("\n")) {
    const sample = /^(sixscope_connect_attempts_total|sixscope_flow_packets)\{(.*)\} (\S+)$/.exec(line);
    if (!sample) continue;
    const labels = {};
    for (const [, name, value] of sample[2].matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name] = value.replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped));
    }
    const owner = labels.owner;
    if (!owners.has(owner)) {
      owners.set(owner, { IPv6: { packets: 0, attempts: [] }, IPv4: { packets: 0, attempts: [] } });
    }
    const entry = owners.get(owner)[labels.family];
    if (sample[1] === "sixscope_flow_packets") entry.packets += Number(sample[3]);
    else entry.attempts.push([labels.result, Number(sample[3])]);
  }
  at("families").tBodies[0].replaceChildren();
  for (const [owner, { IPv6, IPv4 }] of [...owners].sort()) {
    const [six, four] = [IPv6.packets, IPv4.packets].map((packets) => cell(packets, "number"));
    row("families", cell(owner), attempts(IPv6.attempts), attempts(IPv4.attempts), six, four);
  }
}

function attempts(results) {
  const made = document.createElement("td");
  for (const [result, times] of results) {
    made.append(made.childNodes.length ? ", " : "", element("span", `${times} ${result}`, result));
  }
  return made;
}

function showFinding(one) {
  const article = document.createElement("article");
  const list = document.createElement("dl");
  for (const name of ["expected", "seen", "cause", "remedy"]) {
    list.append(element("dt", name), element("dd", one[name]));
  }
  for (const piece of one.evidence) list.append(element("dt", "evidence"), element("dd", piece));
  article.append(element("h3", `${one.severity}: ${one.check}: ${one.subject}`, one.severity), list);
  at("findings").append(article);
}

function showFlow(one) {
  row(
    "flows",
    cell(one.tap),
    cell(one.leaving ? "leaving" : "arriving"),
    cell(one.family, one.family),
    cell(PROTOCOLS[one.protocol] ?? one.protocol),
    endpoint(one.source, one.source_port),
    endpoint(one.destination, one.destination_port),
    cell(one.packets, "number"),
    cell(one.bytes, "number"),
  );
}

function showConnect(one) {
  const after = one.latency_ns === null ? "" : `${(one.latency_ns / 1e6).toFixed(2)} ms`;
  row(
    "connects",
    cell(one.owner ?? ""),
    cell(`${one.comm} (${one.pid})`),
    cell(one.family, one.family),
    endpoint(one.destination, one.port),
    cell(one.result, one.result),
    cell(after, "number"),
  );
}

// A list that is walked page by page; a filtered page may be empty before the end.
function list(name, clear, show) {
  const more = at(`more-${name}`);
  let next = null;
  let walk = 0;
  let shown = 0;
  let further = false;
  async function page(fresh) {
    const mine = fresh ? ++walk : walk;
    let query = "limit=100";
    if (name !== "findings") {
      const family = new FormData(at("family")).get("family");
      if (family) query += `&family=${family}`;
    }
    for (let found = 0, cursor = fresh ? null : next; found === 0; ) {
      const answer = await ask(`${name}?${query}${cursor ? `&cursor=${cursor}` : ""}`);
      if (mine !== walk) return;
      if (fresh) {
        clear();
        shown = 0;
        further = false;
      }
      fresh = false;
      shown += answer[name].length;
      const all = query.includes("family") ? `${answer.total} of both families` : answer.total;
      at(`count-${name}`).textContent = answer.total ? `${shown} shown of ${all}` : "none";
      answer[name].forEach(show);
      found = answer[name].length;
      next = cursor = answer.next;
      if (next === null) break;
    }
    more.hidden = next === null;
  }
  more.addEventListener("click", () => {
    further = true;
    page(false).catch(failed);
  });
  // What arrives by itself never takes away what somebody has walked to.
  return (byItself = false) => (byItself && further ? undefined : page(true).catch(failed));
}

function failed(error) {
  at("live").textContent = error.message;
}

const findings = list("findings", () => at("findings").replaceChildren(), showFinding);
const flows = list("flows", () => at("flows").tBodies[0].replaceChildren(), showFlow);
const connects = list("connects", () => at("connects").tBodies[0].replaceChildren(), showConnect);

function refresh() {
  showAnswers().catch(failed);
  showFamilies().catch(failed);
  findings();
  flows();
  connects();
}

at("family").addEventListener("change", () => {
  flows();
  connects();
});
refresh();

const events = new EventSource("/api/v1/events");
let counted = 0;
events.onopen = () => (at("live").textContent = "live");
events.onerror = () =>
  (at("live").textContent = events.readyState === EventSource.CLOSED ? "finished" : "waiting …");
let due = false;
for (const name of ["flow", "packet", "connect", "report"]) {
  events.addEventListener(name, () => {
    at("live").textContent = `live, ${++counted} events`;
    if (due) return;
    due = true;
    setTimeout(() => {
      due = false;
      showFamilies().catch(failed);
      flows(true);
      connects(true);
    }, REFRESH_MS);
  });
}
events.addEventListener("answer", () => showAnswers().then(findings).catch(failed));
events.addEventListener("run", refresh);
