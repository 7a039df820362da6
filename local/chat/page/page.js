// The page: channels at the side, one channel's messages in the middle, asked for anew every second.

import { drawCard, make } from "/page/card.js";

const PERIOD_MS = 1000;
const SHOWN_AT_MOST = 200;
const HEADINGS = {
  failedLater: "Accepted with {status}, then lost",
  refused: "Refused with {status}",
  scripted: "Answered {status} by the script",
};

const at = (id) => document.getElementById(id);
const state = { channels: [], current: null, lastMessage: 0 };

async function ask(path, method = "GET", document_ = undefined) {
  const answer = await fetch(path, {
    method,
    headers: document_ === undefined ? {} : { "Content-Type": "application/json" },
    body: document_ === undefined ? undefined : JSON.stringify(document_),
  });
  if (!answer.ok) throw new Error(`The simulator answered ${answer.status}.`);
  return answer.json();
}

async function refresh() {
  state.channels = await ask("/_sim/channels");
  const wanted = decodeURIComponent(location.hash.replace("#channel-", ""));
  const current = state.channels.find((channel) => channel.id === wanted) ?? state.channels[0];
  if (current.id !== state.current?.id) startChannel();
  state.current = current;
  drawChannels();
  drawHeader();
  await drawNewMessages();
}

function startChannel() {
  state.lastMessage = 0;
  at("list").replaceChildren();
  at("status").textContent = "";
}

function drawChannels() {
  const list = at("channels");
  const drawn = JSON.stringify([state.current.id, state.channels.map((channel) => [channel.id, channel.name])]);
  if (list.dataset.drawn === drawn) return;
  const focused = document.activeElement?.closest("#channels a")?.getAttribute("href");
  list.dataset.drawn = drawn;
  list.replaceChildren(...state.channels.map(drawChannel));
  if (focused) list.querySelector(`a[href="${CSS.escape(focused).replaceAll("\\#", "#")}"]`)?.focus();
}

function drawChannel(channel) {
  const link = make("a", "", channel.name);
  link.href = `#channel-${channel.id}`;
  if (channel.id === state.current.id) link.setAttribute("aria-current", "page");
  const item = make("li");
  item.append(link);
  return item;
}

function drawHeader() {
  const { name, url, asTheRealOne, script } = state.current;
  at("channel-name").textContent = name;
  document.title = `${name} – Chat simulator`;
  at("webhook").value = url;
  at("realism").checked = asTheRealOne;
  const calls = script.left === 1 ? "The next call is" : `The next ${script.left} calls are`;
  at("script-note").hidden = script.left === 0;
  at("script-note").textContent = script.repeat ? "All calls are answered by a script." : `${calls} answered by a script.`;
}

async function drawNewMessages() {
  const channel = state.current.id;
  const query = `channel=${channel}&after=${state.lastMessage}&last=${SHOWN_AT_MOST}`;
  const messages = await ask(`/_sim/messages?${query}`);
  // The person may have chosen another channel while this answer was under way.
  if (channel !== state.current.id) return;
  const list = at("list");
  const area = at("messages");
  const isAtEnd = area.scrollHeight - area.scrollTop - area.clientHeight < 80;
  for (const message of messages) {
    list.append(drawMessage(message));
    state.lastMessage = message.id;
  }
  while (list.childElementCount > SHOWN_AT_MOST) list.firstElementChild.remove();
  at("empty").hidden = list.childElementCount > 0;
  if (messages.length > 0 && isAtEnd) area.scrollTop = area.scrollHeight;
}

function drawMessage(message) {
  const item = make("li", `message ${message.verdict.state}`);
  const head = make("p", "head");
  const time = make("time", "", new Date(message.receivedAt).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }));
  time.dateTime = message.receivedAt;
  head.append(make("span", "author", "Workflows"), time);
  const avatar = make("span", "avatar", "W");
  avatar.setAttribute("aria-hidden", "true");
  const content = make("div", "content");
  content.append(head, message.verdict.state === "shown" ? drawCard(message.card) : drawFailure(message));
  item.append(avatar, content);
  return item;
}

function drawFailure({ verdict, text }) {
  const failure = make("div", "failure");
  failure.append(make("strong", "", HEADINGS[verdict.state].replace("{status}", verdict.status)));
  const reasons = make("ul");
  reasons.append(...verdict.reasons.map((reason) => make("li", "", reason)));
  failure.append(reasons);
  if (text) {
    const details = make("details");
    details.append(make("summary", "", "What it would have said"), make("pre", "", text));
    failure.append(details);
  }
  return failure;
}

async function copyWebhook() {
  const field = at("webhook");
  try {
    await navigator.clipboard.writeText(field.value);
    at("status").textContent = "Copied.";
  } catch {
    // Selecting moves the focus, so it is only done for a browser that does not let us copy.
    field.select();
    at("status").textContent = "Selected; press Ctrl+C to copy.";
  }
}

async function addChannel(event) {
  event.preventDefault();
  const channel = await ask("/_sim/channels", "POST", { name: at("new-name").value });
  at("new-channel").reset();
  location.hash = `channel-${channel.id}`;
}

async function switchRealism() {
  await ask(`/_sim/channels/${state.current.id}`, "PATCH", { asTheRealOne: at("realism").checked });
  await soon();
}

async function update() {
  try {
    await refresh();
    document.body.classList.remove("away");
    if (at("status").dataset.away) at("status").textContent = "";
    delete at("status").dataset.away;
  } catch {
    document.body.classList.add("away");
    at("status").dataset.away = "yes";
    at("status").textContent = "The simulator does not answer. Trying again…";
  }
}

// One round after another: a slow answer must not let a second round draw the same messages twice.
let round = Promise.resolve();
const soon = () => (round = round.then(update));

async function keepUpdating() {
  await soon();
  setTimeout(keepUpdating, PERIOD_MS);
}

at("copy").addEventListener("click", copyWebhook);
at("new-channel").addEventListener("submit", (event) => addChannel(event).catch((fault) => (at("status").textContent = fault.message)));
at("realism").addEventListener("change", () => switchRealism().catch((fault) => (at("status").textContent = fault.message)));
window.addEventListener("hashchange", soon);
keepUpdating();
