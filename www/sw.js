// The service worker: keeps every file of one build of the page, so that the page opens at once and without a network.
//
// Files come from the build this worker belongs to, whole, or not at all: each is fetched with the hash it must have, and
// a newer build is a worker of its own with a cache of its own, which waits until the person wants it or the last
// tab is closed. Everything that is no file of the page goes to the network as if there were no worker: the API, media,
// figures, and paths that nobody knows. Nothing of that is kept here. The page registers it; see web/src/offline.rs.

// The build writes its name and its files with their SHA-256 here; "/" is the page shell.
const BUILD = { name: "", files: {} };

const PREFIX = "chanterelle ";
const CACHE = PREFIX + BUILD.name;

// The routes of the page (docs/interfaces.md), whatever a board is called.
const PAGES = /^\/(?:b\/[a-z0-9][a-z0-9-]{0,31}(?:\/t\/[0-9a-f]{64})?|f|me|peers|settings)?$/;

// One file after the other, so that whoever is reading hardly notices. The browser's own cache has most of them. What
// breaks off goes on with the next attempt.
async function keep() {
  const cache = await caches.open(CACHE);
  for (const [path, integrity] of Object.entries(BUILD.files)) {
    if (await cache.match(path)) continue;
    const answer = await fetch(path, { integrity });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    await cache.put(path, answer);
  }
}

async function takeOver() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  }
  // The tab of the first visit has no worker yet; from now on it needs no network either.
  await clients.claim();
}

// Which of the files answers a request, if one does.
function fileFor({ method, mode, url }) {
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || origin !== location.origin) return undefined;
  if (mode === "navigate") return PAGES.test(pathname) ? "/" : undefined;
  return Object.hasOwn(BUILD.files, pathname) ? pathname : undefined;
}

async function answer(path, request) {
  const cache = await caches.open(CACHE);
  // The same bytes whichever encodings are accepted. If the browser has dropped a file, the network may still have it.
  return (await cache.match(path, { ignoreVary: true })) ?? fetch(request);
}

addEventListener("install", (event) => event.waitUntil(keep()));
addEventListener("activate", (event) => event.waitUntil(takeOver()));
addEventListener("fetch", (event) => {
  const path = fileFor(event.request);
  if (path) event.respondWith(answer(path, event.request));
});
addEventListener("message", (event) => {
  if (event.data === "take over") skipWaiting();
  if (event.data === "claim") event.waitUntil(clients.claim());
});
