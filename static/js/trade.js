/* The borrow, repay and confirm pages. Amount links fill the field in place; without script they load the page with the amount in it. */
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

  /* Money is not moved by a press that came too soon to be meant: the server refuses it, and until then the button waits. */
  for (const button of document.querySelectorAll("button[data-wait]")) {
    button.disabled = true;
    setTimeout(() => (button.disabled = false), button.dataset.wait * 1000);
  }

  /* What is being typed anew is not called wrong any more. */
  document.addEventListener("input", (event) => {
    if (event.target.id !== "id_amount") return;
    event.target.removeAttribute("aria-invalid");
    document.getElementById("id_amount_error")?.remove();
  });

  /* An amount is called wrong for as long as a sentence below it says so. */
  function markAmount() {
    if (document.querySelector("#amount-said .error")) document.getElementById("id_amount")?.setAttribute("aria-invalid", "true");
  }
  markAmount();
  document.addEventListener("htmx:afterSettle", markAmount);
})();
