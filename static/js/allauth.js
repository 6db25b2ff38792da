/* Starts allauth's own scripts: data-allauth names the function, data-ids the elements it works on.
   Theirs would be named by a script within the page. */
(function () {
  "use strict";
  for (const element of document.querySelectorAll("[data-allauth]")) {
    const [part, form] = element.dataset.allauth.split(".");
    window.allauth[part].forms[form]({ ids: JSON.parse(element.dataset.ids) });
  }
})();
