/* Keys: links say theirs in data-keys; a row marked with data-opens opens its first link. No key ever submits anything. */
(function () {
  "use strict";
  let pending = "";
  let pendingTimer = 0;

  const typing = (target) =>
    target.closest("input, select, textarea, [contenteditable], dialog[open]") !== null;

  function links() {
    const map = new Map();
    for (const link of document.querySelectorAll("a[data-keys]")) map.set(link.dataset.keys, link.href);
    return map;
  }

  function rows() {
    return [...document.querySelectorAll("tr[data-opens]")].filter((row) => row.offsetParent !== null);
  }

  function move(step) {
    const all = rows();
    if (!all.length) return false;
    const at = all.findIndex((row) => row.classList.contains("selected"));
    const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
    all.forEach((row) => row.classList.toggle("selected", row === next));
    next.scrollIntoView({ block: "nearest" });
    next.querySelector("a[href]").focus({ preventScroll: true });
    return true;
  }

  function search() {
    const field = document.querySelector('input[type="search"]');
    if (!field) return false;
    field.focus();
    field.select();
    return true;
  }

  function open(id) {
    const dialog = document.getElementById(id);
    if (dialog && !dialog.open) dialog.showModal();
    return Boolean(dialog);
  }

  function follow(sequence) {
    const href = links().get(sequence);
    if (href) location.assign(href);
    return Boolean(href);
  }

  function pressed(key) {
    clearTimeout(pendingTimer);
    const sequence = pending ? `${pending} ${key}` : key;
    pending = "";
    if (sequence === "/") return search();
    if (sequence === "?") return open("keyboard-help");
    if (sequence === "j") return move(1);
    if (sequence === "k") return move(-1);
    if (follow(sequence)) return true;
    if ([...links().keys()].some((keys) => keys.startsWith(`${sequence} `))) {
      pending = sequence;
      pendingTimer = setTimeout(() => (pending = ""), 1200);
    }
    return false;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && event.target.matches('input[type="search"]')) return event.target.blur();
    if (typing(event.target) || event.key.length !== 1) return;
    if (pressed(event.key)) event.preventDefault();
  });

  /* A swapped table keeps its place: htmx gives the focus back to the link, this marks its row. */
  document.addEventListener("htmx:afterSettle", () => {
    document.activeElement?.closest?.("tr[data-opens]")?.classList.add("selected");
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open-dialog]");
    if (opener) return open(opener.dataset.openDialog);
    const row = event.target.closest("tr[data-opens]");
    const busy = event.target.closest("a, button, input, select, label, summary, time[tabindex]");
    if (!row || busy || String(getSelection())) return undefined;
    const { href } = row.querySelector("a[href]");
    if (event.ctrlKey || event.metaKey) window.open(href, "_blank", "noopener");
    else location.assign(href);
    return undefined;
  });
})();
