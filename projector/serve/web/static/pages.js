// Keys, and live turns. All that a page shows is there without it.
"use strict";

const steps = () => [...document.querySelectorAll("[data-step]")];
let at = -1;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.key === "/") {
    event.preventDefault();
    document.querySelector("[data-key='/']").select();
  } else if (event.key === "j" || event.key === "k") {
    const all = steps();
    if (!all.length) return;
    if (at >= 0 && all[at]) all[at].classList.remove("here");
    at = Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), all.length - 1);
    all[at].classList.add("here");
    all[at].scrollIntoView({ block: "start" });
    const link = all[at].querySelector("a");
    if (link) link.focus({ preventScroll: true });
  }
});

const turns = document.querySelector("[data-live]");
if (turns) watch(turns, document.getElementById("watching"));

function watch(turns, said) {
  const address = turns.dataset.live;
  const source = new EventSource(`${address}/live?after=${encodeURIComponent(turns.dataset.after)}`);
  source.onopen = () => { said.textContent = "Live: new turns appear here."; };
  source.onerror = () => { said.textContent = "Waiting for the pages to answer again."; };
  source.addEventListener("restart", () => { source.close(); location.reload(); });
  let line = Promise.resolve();
  source.onmessage = (event) => {
    const changed = JSON.parse(event.data).turns;
    line = line.then(() => Promise.all(changed.map((turn) => renew(turns, address, turn))));
  };
}

async function renew(turns, address, turn) {
  const answer = await fetch(`${address}/turn/${encodeURIComponent(turn)}?fragment=1`);
  const old = [...turns.children].find((one) => one.dataset.turn === turn);
  if (answer.status === 404) {
    if (old) old.remove();
    return;
  }
  if (!answer.ok) return;
  // Made by our own templates, which escape all that a rollout holds; scripts in it do not run.
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("section");
  if (!fresh) return;
  const open = new Set();
  if (old) old.querySelectorAll("article").forEach((item) => item.querySelectorAll("details").forEach((fold, n) => fold.open && open.add(`${item.id} ${n}`)));
  fresh.querySelectorAll("article").forEach((item) => item.querySelectorAll("details").forEach((fold, n) => { fold.open = open.has(`${item.id} ${n}`); }));
  const low = window.innerHeight + window.scrollY >= document.body.scrollHeight - 80;
  if (old) old.replaceWith(fresh); else turns.append(fresh);
  if (low) window.scrollTo(0, document.body.scrollHeight);
}

// Parts of a page that take longer come behind it.
document.querySelectorAll("[data-part]").forEach(async (place) => {
  const answer = await fetch(`${place.dataset.part}&fragment=1`).catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild;
  if (fresh) place.replaceWith(fresh);
});
