/* The remembered theme, set before the first paint; without one the system decides. */
(function () {
  "use strict";
  const KEY = "theme";
  const ORDER = ["system", "light", "dark"];
  const WORDS = { system: "as the system", light: "light", dark: "dark" };
  const root = document.documentElement;
  root.classList.add("js");

  function remembered() {
    try {
      return ORDER.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "system";
    } catch {
      return "system";
    }
  }

  function show(theme) {
    if (theme === "system") root.removeAttribute("data-theme");
    else root.dataset.theme = theme;
    for (const word of document.querySelectorAll("[data-theme-word]")) word.textContent = WORDS[theme];
    for (const button of document.querySelectorAll("[data-theme-switch]")) button.title = `Theme: ${WORDS[theme]}`;
  }

  show(remembered());
  document.addEventListener("DOMContentLoaded", () => show(remembered()));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const next = ORDER[(ORDER.indexOf(remembered()) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, next);
    } catch {
      /* a browser without storage keeps the theme for this page */
    }
    show(next);
  });
})();
