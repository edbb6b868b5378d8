// The page of a node: asks it for /status.json every 2 s and shows the answer. Ages go on by themselves in between.
const EVERY_MS = 2_000;
const ANSWER_MS = 5_000;
const KEY = "skerry-key";

const by = (id) => document.getElementById(id);

/** The last answer, and when it came; ms of the page's clock. */
let known;
let knownAt = 0;
let fault = "";

async function ask() {
  const key = sessionStorage.getItem(KEY);
  try {
    const response = await fetch("/status.json", {
      headers: key === null ? {} : { Authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(ANSWER_MS),
      cache: "no-store",
    });
    if (response.status === 401) return askForKey(key === null ? "" : "This node does not know that key.");
    if (response.status === 403 && key !== null) return askForKey("That key may not see what this node does.");
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    known = await response.json();
    knownAt = performance.now();
    fault = "";
    by("key-form").hidden = true;
  } catch (error) {
    fault = error instanceof Error ? error.message : String(error);
  }
  show();
}

function askForKey(why) {
  sessionStorage.removeItem(KEY);
  known = undefined;
  fault = "";
  by("key-fault").textContent = why;
  by("what").textContent = "";
  by("key-form").hidden = false;
  show();
}

by("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, by("key").value.trim());
  by("key").value = "";
  void ask();
});

function show() {
  const passedMs = known === undefined ? 0 : performance.now() - knownAt;
  by("answers").hidden = fault === "";
  by("answers").textContent = fault === "" ? "" : silence(passedMs);
  by("facts").hidden = known === undefined;
  if (known === undefined) return;
  const { name, kind, version, startedAgeMs, isDraining, link, placements, waiting, errors } = known;
  document.title = `${name} · Skerry`;
  by("name").textContent = name;
  by("what").textContent =
    `${kind} node, Skerry ${version}, runs for ${age(startedAgeMs + passedMs)}${isDraining ? "; it is draining" : ""}`;
  by("link").textContent = linkText(link, passedMs);
  by("link-dot").className = `dot ${link.state === "connected" ? "good" : "bad"}`;
  by("link-fault").textContent = faultText(link);
  by("nothing").hidden = placements.length > 0;
  by("placements").hidden = placements.length === 0;
  by("placements").tBodies[0].replaceChildren(...placements.map((each) => row(each, passedMs)));
  by("waits").replaceChildren(...waits(waiting).map((text) => item(text)));
  by("errors").replaceChildren(
    ...(errors.length === 0 ? [item("None since this node started.")] : errors.map((each) => error(each, passedMs))),
  );
}

function silence(passedMs) {
  return known === undefined
    ? `No answer from this node: ${fault}`
    : `No answer from this node for ${age(passedMs)}: ${fault}. What follows is that old.`;
}

function linkText({ state, ageMs, rttMs }, passedMs) {
  const since = age(ageMs + passedMs);
  if (state === "removed") return "This node was removed from its control plane; its models serve on here.";
  if (state === "waiting") return "An operator has to approve this node.";
  if (state === "away") return `Away for ${since}. This node serves on.`;
  return `Connected for ${since}${rttMs === null ? "" : `, round trip ${ms(rttMs)}`}.`;
}

function faultText({ state, lastFault }) {
  if (lastFault === null) return "";
  if (state === "removed" || state === "waiting") return lastFault;
  return `${state === "connected" ? "The link before ended with" : "Why"}: ${lastFault}`;
}

function row(placement, passedMs) {
  const { model, version, deployment, serves, state, stateAgeMs, detail, progress, host, load } = placement;
  const line = document.createElement("tr");
  const stateCell = cell(state === "downloading" && progress !== null ? `${state} ${percent(progress)}` : state);
  stateCell.className = state === "ready" ? "good" : state === "failed" ? "bad" : "warn";
  for (const more of [detail, serves ? null : "kept here, not asked to serve", host === null ? null : `in ${host}`])
    if (more !== null) stateCell.append(small(more));
  line.append(
    cell(`${model}:${version}`),
    cell(deployment),
    stateCell,
    cell(age(stateAgeMs + passedMs)),
    number(load === null ? "" : `${load.inFlight}${load.queued > 0 ? ` (${load.queued} wait)` : ""}`),
    number(load === null ? "" : String(load.done)),
    number(load === null ? "" : String(load.failed)),
    number(load === null || load.done === 0 ? "" : ms(load.p95Ms)),
    number(load === null || load.rssMiB === 0 ? "" : `${load.rssMiB} MiB`),
  );
  return line;
}

function waits({ requests, downloads, streamItems, logLines }) {
  const texts = [
    [requests, (count) => `${plural(count, "request")} in the queues of the models`],
    [downloads, (count) => `${plural(count, "model")} on the way to this node`],
    [streamItems, (count) => `${plural(count, "item")} of streams on the disk of this node`],
    [logLines, (count) => `${plural(count, "line")} of the log for the control plane`],
  ].flatMap(([count, text]) => (count === 0 ? [] : [text(count)]));
  return texts.length === 0 ? ["Nothing."] : texts;
}

function error({ level, ageMs, msg }, passedMs) {
  const line = item(`${msg} `);
  line.className = level === "error" ? "bad" : "warn";
  line.append(small(`${age(ageMs + passedMs)} ago`));
  return line;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
const cell = (text) => element("td", text);
const small = (text) => element("small", text);
const item = (text) => element("li", text);
function number(text) {
  const made = cell(text);
  made.className = "number";
  return made;
}

function age(inMs) {
  const seconds = Math.max(0, Math.round(inMs / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const percent = ({ done, total }) => `${total === 0 ? 0 : Math.floor((100 * done) / total)} %`;
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

async function run() {
  await ask();
  setTimeout(() => void run(), EVERY_MS);
}
void run();
setInterval(show, 1_000);
