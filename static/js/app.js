/* The small things: amount buttons, copying, forms that apply themselves, and what htmx cannot say alone. */
(function () {
  "use strict";
  const live = document.getElementById("live");
  const offline = document.getElementById("offline");

  for (const element of document.querySelectorAll("[data-needs-script]")) element.hidden = false;

  const say = (text) => {
    live.textContent = "";
    setTimeout(() => (live.textContent = text), 50);
  };

  /* data-fill="field id" data-value="exact text": the text goes into the field as it stands. */
  function fill(button) {
    const field = document.getElementById(button.dataset.fill);
    if (!field) return;
    field.value = button.dataset.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
    field.focus();
    say(`Amount ${button.dataset.value}`);
  }

  /* data-from="day" data-to="day": both go into the fields of the link's form, which asks with all that it holds now. */
  function choose(link) {
    const form = link.closest("form");
    for (const name of ["from", "to"]) {
      form.elements[name].value = link.dataset[name];
      form.elements[name].type = "date";
    }
    form.requestSubmit();
  }

  async function copy(button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      say("Copied");
    } catch {
      say("Copying was not possible");
    }
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-fill], [data-copy], [data-print], [data-from]");
    if (target?.dataset.from) {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      choose(target);
    } else if (target?.dataset.fill) fill(target);
    else if (target?.dataset.copy) copy(target);
    else if (target) window.print();
    for (const menu of document.querySelectorAll("details.menu[open], .bottombar details[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open], .bottombar details[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  /* A form marked data-auto sends itself when a choice changes; its button is only for pages without script. */
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form?.matches("[data-auto]") && !form.hasAttribute("hx-get") && event.target.matches("select, [type=checkbox], [type=radio]")) form.requestSubmit();
  });

  /* A choice marked data-anew="field" is another page: it is loaded at once, and that field's text goes along. */
  document.addEventListener("change", (event) => {
    const choice = event.target;
    if (!choice.matches("select[data-anew]")) return;
    const query = new URLSearchParams({ [choice.name]: choice.value });
    const kept = choice.form.elements[choice.dataset.anew];
    if (kept.value) query.set(kept.name, kept.value);
    location.assign(`?${query}`);
  });

  /* Addresses stay short: what was left empty in a search is not sent. */
  document.addEventListener("formdata", (event) => {
    if (event.target.method !== "get") return;
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });

  /* Each step back shows something else: an address that stays is not kept twice, nor every pause of typing in one field. */
  let typed = null;
  document.addEventListener("htmx:beforeHistoryUpdate", (event) => {
    const { history, requestConfig } = event.detail;
    const cause = requestConfig.triggeringEvent;
    const field = cause?.type === "input" ? cause.target : null;
    const stays = new URL(history.path, location.href).href === location.href;
    if (stays || (field && field === typed)) history.type = "replace";
    typed = field;
  });

  /* A second press of a button that is on its way does nothing. */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  /* The line is down, or the server failed: a calm sentence, and the page stays as it is. */
  function trouble(text) {
    offline.querySelector("[data-offline-text]").textContent = text;
    offline.hidden = false;
  }
  document.addEventListener("htmx:sendError", () => trouble("The server cannot be reached. What you see may be old; your typing is kept."));
  document.addEventListener("htmx:timeout", () => trouble("The server takes long to answer. What you see may be old."));
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 401 || status === 403) trouble("You are signed out, or may not see this any more. Load the page again.");
    else trouble(`The server could not do this (${status}). Load the page again to see where things stand.`);
  });
  document.addEventListener("htmx:afterOnLoad", (event) => {
    if (event.detail.xhr.status < 400) offline.hidden = true;
  });

  /* A figure that changed while the page was open glows once: cells of [data-glow] are compared. */
  const before = new Map();
  const cells = (root, use) => {
    for (const row of root.querySelectorAll("tr[id]")) row.querySelectorAll("td.n").forEach((cell, i) => use(`${row.id} ${i}`, cell));
  };
  document.addEventListener("htmx:beforeSwap", (event) => {
    before.clear();
    const root = event.detail.target?.closest?.("[data-glow]");
    if (root) cells(root, (key, cell) => before.set(key, cell.textContent));
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const root = event.detail.elt?.closest?.("[data-glow]");
    if (root) cells(root, (key, cell) => cell.classList.toggle("changed", before.has(key) && before.get(key) !== cell.textContent));
  });

  /* A field is marked as wrong for as long as a sentence beside it says so, also one that a fragment brought. */
  function markFields() {
    for (const field of document.querySelectorAll("[aria-describedby$='-error']")) {
      const said = document.getElementById(field.getAttribute("aria-describedby"))?.textContent.trim();
      if (said) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
      /* A date that was put right is picked from a calendar again; an instant stays a text. */
      if (!said && "date" in field.dataset && /^(\d{4}-\d\d-\d\d)?$/.test(field.value)) field.type = "date";
    }
  }
  markFields();
  /* Who was refused goes on in the field that is wrong. */
  document.querySelector("form[method='post'] [aria-invalid='true']")?.focus();
  document.addEventListener("htmx:afterSettle", markFields);

  /* A date that is half typed holds its form back: say so beside it. The next answer takes that away. */
  document.addEventListener("htmx:validation:failed", (event) => {
    const beside = document.getElementById(event.target.getAttribute("aria-describedby") || "");
    if (!beside) return;
    beside.textContent = event.target.validity.badInput ? "Finish this date, or clear it." : event.detail.message;
    markFields();
  });
  /* A year of which only the last digits are typed begins with a zero: nothing is asked for yet. */
  document.addEventListener("htmx:configRequest", (event) => {
    const dates = event.detail.elt.querySelectorAll("[type=date]");
    if ([...dates].some((field) => field.value.startsWith("0"))) event.preventDefault();
  });

  /* A refresh that nobody asked for is no sign that somebody is here. */
  document.addEventListener("htmx:configRequest", (event) => {
    if (!event.detail.triggeringEvent?.isTrusted) event.detail.headers["X-By-Itself"] = "yes";
  });

  /* Whoever pressed what is gone now goes on at the field that is wrong, or at the fragment's [data-heir]. */
  document.addEventListener("htmx:afterSettle", (event) => {
    if (document.activeElement !== document.body) return;
    const wrong = event.detail.elt?.querySelector?.("[aria-invalid='true']");
    if (wrong) wrong.focus();
    else event.detail.elt?.querySelector?.("[data-heir]")?.focus({ preventScroll: true });
  });

  /* A fragment that came may say one sentence aloud. */
  document.addEventListener("htmx:afterSettle", (event) => {
    const said = event.detail.elt?.querySelector?.("[data-say]")?.dataset.say || event.detail.elt?.dataset?.say;
    if (said && said !== live.textContent) say(said);
  });
})();
