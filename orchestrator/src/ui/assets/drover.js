// What the pages gain with scripts: they follow what changes, times go on, ids can be copied. All of it works without, too.
"use strict";

// Looks come no closer together than this, in milliseconds: people do not read faster.
const PAUSE = 500;
// After this a stream that the server refused is asked for again.
const REOPEN = 30000;

// --- Making the page that is shown into the one that was rendered anew ------------------------------------------------

// What a person has changed is left alone, and so is what was opened.
const isTouched = (node) =>
    node === document.activeElement && node.matches("input, select, textarea") ||
    node.matches("input[type=checkbox]") && node.checked !== node.defaultChecked ||
    node.matches("input, textarea") && node.value !== node.defaultValue ||
    node.matches("select") && [...node.options].some((option) => option.selected !== option.defaultSelected);

function takeAttributes(from, to) {
    for (const { name } of [...from.attributes]) {
        const kept = name === "open" || name === "hidden" && from.matches("[data-copy], [data-tick]");
        if (!to.hasAttribute(name) && !kept) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
        const kept = name === "open" || name === "hidden" && from.matches("[data-copy], [data-tick]");
        if (from.getAttribute(name) !== value && !kept) from.setAttribute(name, value);
    }
}

const keyOf = (node) => node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id || null : null;

const isAlike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

function morph(from, to) {
    if (from.isEqualNode(to)) return;
    if (from.nodeType !== Node.ELEMENT_NODE) {
        from.nodeValue = to.nodeValue;
        return;
    }
    if (isTouched(from)) return;
    takeAttributes(from, to);
    if (from.matches("[data-since]") && to.matches("[data-since]")) return;
    morphChildren(from, to);
}

// Rows and cards have keys: one that moved is moved, not written over.
function morphChildren(from, to) {
    const keyed = new Map([...from.children].filter(keyOf).map((child) => [keyOf(child), child]));
    let at = from.firstChild;
    for (const wanted of [...to.childNodes]) {
        const key = keyOf(wanted);
        const known = key ? keyed.get(key) : at && !keyOf(at) && isAlike(at, wanted) ? at : null;
        if (!known || !isAlike(known, wanted)) {
            from.insertBefore(document.importNode(wanted, true), at);
            continue;
        }
        if (known === at) at = at.nextSibling;
        else from.insertBefore(known, at);
        morph(known, wanted);
    }
    while (at) {
        const next = at.nextSibling;
        at.remove();
        at = next;
    }
}

// --- Following ------------------------------------------------------------------------------------------------------

const main = document.getElementById("main");
const sign = document.getElementById("live");
let stream = null;
let timer = null;
let reopening = null;
let looking = false;
let again = false;
let last = 0;

function say(isLive) {
    if (!sign) return;
    sign.hidden = false;
    sign.textContent = isLive ? "live" : "not connected";
    sign.classList.toggle("lost", !isLive);
}

async function look() {
    if (looking) {
        again = true;
        return;
    }
    looking = true;
    last = Date.now();
    try {
        const response = await fetch(location.href, { headers: { accept: "text/html" } });
        // Whoever is no longer logged in is led to where that is done.
        if (response.redirected) return location.assign(response.url);
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        const fresh = page.getElementById("main");
        if (response.ok && fresh) {
            morph(main, fresh);
            document.title = page.title;
            // How often to look is the new state's: what has ended is looked at less.
            document.body.dataset.every = page.body.dataset.every ?? document.body.dataset.every;
            dress();
        }
        say(response.ok);
    } catch {
        say(false);
    }
    looking = false;
    schedule(again ? PAUSE : Number(document.body.dataset.every) * 1000);
    again = false;
}

function schedule(wait) {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(look, Math.max(wait, last + PAUSE - Date.now(), 0));
}

// A browser opens six connections to an address: a page that nobody sees gives its one back.
function follow() {
    stream?.close();
    stream = null;
    clearTimeout(timer);
    clearTimeout(reopening);
    if (document.hidden) return;
    stream = new EventSource(document.body.dataset.events);
    stream.addEventListener("changed", () => schedule(0));
    // What changed before it was open is looked at once.
    stream.addEventListener("open", () => schedule(0));
    // One that the server refused is not opened again by the browser: looks go on without it, and lead to the log-in.
    stream.addEventListener("error", () => {
        say(false);
        if (stream?.readyState !== EventSource.CLOSED) return;
        schedule(0);
        reopening = setTimeout(follow, REOPEN);
    });
}

// --- Small things ---------------------------------------------------------------------------------------------------

function span(milliseconds) {
    const seconds = Math.max(0, Math.floor(milliseconds / 1000));
    const two = (number) => String(number).padStart(2, "0");
    if (seconds >= 86400) return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds / 3600) % 24} h`;
    if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} min`;
    if (seconds >= 60) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
    return `${seconds} s`;
}

function tick() {
    for (const element of document.querySelectorAll("[data-since]")) {
        element.textContent = span(Date.now() - Number(element.dataset.since));
    }
}

// What only works with scripts is shown by them.
function dress() {
    for (const button of document.querySelectorAll("[data-tick]")) button.hidden = false;
    // Over plain HTTP a browser lets pages copy only where the server is this machine.
    for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
    tick();
}

document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
        await navigator.clipboard.writeText(copy.dataset.copy);
        copy.textContent = "copied";
        setTimeout(() => { copy.textContent = "copy"; }, 1500);
    }
    const all = event.target.closest("[data-tick]");
    if (all) {
        const boxes = [...all.form.querySelectorAll(`input[name=${all.dataset.tick}]`)];
        const isFull = boxes.every((box) => box.checked);
        for (const box of boxes) box.checked = !isFull;
    }
    // One sheet is open at a time, and a click beside it closes it.
    for (const open of document.querySelectorAll("details.careful[open]")) {
        if (!open.contains(event.target)) open.open = false;
    }
});

document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll("details.careful[open]")) {
        open.open = false;
        open.querySelector("summary").focus();
    }
});

// The word of what was done is said once.
if (main.querySelector(".note")) {
    const address = new URL(location.href);
    address.searchParams.delete("note");
    history.replaceState(null, "", address);
    const note = main.querySelector(".note");
    main.before(note);
}

dress();
setInterval(tick, 1000);
if (document.body.dataset.events) {
    document.addEventListener("visibilitychange", follow);
    follow();
}
