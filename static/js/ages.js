/* Ages tick: every element with data-at (seconds since 1970) and data-period says how old it is now. */
(function () {
  "use strict";

  /* Where this machine's clock is plainly off the server's, the server's counts: a wrong clock must
     not make old figures look new. */
  const skew = Number(document.body.dataset.now) - Date.now() / 1000;
  const offset = Math.abs(skew) > 10 ? skew : 0;

  function words(seconds) {
    if (seconds < 5) return "now";
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
    return `${Math.floor(seconds / 86400)} d`;
  }

  function tone(seconds, period) {
    if (seconds > 10 * period) return "stale";
    return seconds > 2 * period ? "late" : "";
  }

  function tick() {
    const now = Math.floor(Date.now() / 1000 + offset);
    for (const chip of document.querySelectorAll(".age[data-at]")) {
      const seconds = Math.max(0, now - Number(chip.dataset.at));
      const mood = tone(seconds, Number(chip.dataset.period));
      const problem = chip.dataset.problem && mood ? `, ${chip.dataset.problem}` : "";
      const text = words(seconds) + problem;
      if (chip.textContent !== text) chip.textContent = text;
      chip.classList.toggle("age-late", mood === "late");
      chip.classList.toggle("age-stale", mood === "stale");
    }
    for (const clock of document.querySelectorAll("[data-until]")) {
      const left = Math.max(0, Number(clock.dataset.until) - now);
      const minutes = Math.floor(left / 60);
      clock.textContent = minutes ? `${minutes} min ${left % 60} s` : `${left} s`;
    }
  }

  tick();
  setInterval(() => document.hidden || tick(), 1000);
  document.addEventListener("visibilitychange", tick);
  document.addEventListener("htmx:afterSettle", tick);
})();
