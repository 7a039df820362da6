// connect-host.js reads these while it loads, so they must stand before it.
"use strict";

window.AJS = {
  $: window.jQuery,
  escapeHtml(text) {
    const holder = document.createElement("div");
    holder.textContent = String(text);
    return holder.innerHTML;
  },
};
