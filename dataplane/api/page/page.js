// Everything from the network becomes text, never markup: process and pod names are hostile.
"use strict";

const PROTOCOLS = { 1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6" };
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
  const { answers, not_applicable } = await ask("answers");
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
    cell(one.family),
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
    cell(one.family),
    endpoint(one.destination, one.port),
    cell(one.result),
    cell(after, "number"),
  );
}

// A list that is walked page by page; a filtered page may be empty before the end.
function list(name, clear, show) {
  const more = at(`more-${name}`);
  let next = null;
  let walk = 0;
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
      if (fresh) clear();
      fresh = false;
      answer[name].forEach(show);
      found = answer[name].length;
      next = cursor = answer.next;
      if (next === null) break;
    }
    more.hidden = next === null;
  }
  more.addEventListener("click", () => page(false).catch(failed));
  return () => page(true).catch(failed);
}

function failed(error) {
  at("live").textContent = error.message;
}

const findings = list("findings", () => at("findings").replaceChildren(), showFinding);
const flows = list("flows", () => at("flows").tBodies[0].replaceChildren(), showFlow);
const connects = list("connects", () => at("connects").tBodies[0].replaceChildren(), showConnect);

function refresh() {
  showAnswers().catch(failed);
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
for (const name of ["flow", "packet", "connect", "report"]) {
  events.addEventListener(name, () => (at("live").textContent = `live, ${++counted} events`));
}
events.addEventListener("answer", () => showAnswers().then(findings).catch(failed));
events.addEventListener("run", refresh);
