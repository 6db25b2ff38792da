/* Amount links fill the field in place; without script they load the page with the amount in it. */
(function () {
  "use strict";

  document.addEventListener("click", (event) => {
    const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.button;
    if (!elsewhere && event.target.closest("a[data-fill]")) event.preventDefault();
  });

  /* Figures that came for what stood in the field before are asked for once more, and only once. */
  let asked = null;
  document.addEventListener("htmx:afterSettle", () => {
    const quote = document.getElementById("trade-quote");
    const field = document.getElementById("id_amount");
    const typed = field?.value.trim();
    if (!quote || !field || quote.dataset.amount === typed || asked === typed) return;
    asked = typed;
    quote.dispatchEvent(new Event("stale"));
  });

  /* What is being typed anew is not called wrong any more. */
  document.addEventListener("input", (event) => {
    if (event.target.id !== "id_amount") return;
    event.target.removeAttribute("aria-invalid");
    document.getElementById("id_amount_error")?.remove();
  });
})();
