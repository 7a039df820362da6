// Theme switch, menus and flags of the host pages.
"use strict";

(() => {
  const root = document.documentElement;
  const themeSwitch = document.getElementById("theme-switch");

  const label = () => {
    const dark = root.dataset.colorMode === "dark";
    themeSwitch.textContent = dark ? themeSwitch.dataset.light : themeSwitch.dataset.dark;
  };

  themeSwitch.addEventListener("click", () => {
    root.dataset.colorMode = root.dataset.colorMode === "dark" ? "light" : "dark";
    document.cookie = `cq_theme=${root.dataset.colorMode}; path=/; max-age=31536000; SameSite=Lax`;
    label();
  });
  label();

  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (menu !== except) {
        menu.open = false;
      }
    }
  };
  document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" ? document.querySelector("details.menu[open]") : null;
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // A flag stays until it is closed, or leaves by itself when it was asked to.
  window.showFlag = ({ title, body, type, close, actions, onClose }) => {
    const flag = document.createElement("div");
    flag.className = `flag flag-${["success", "warning", "error"].includes(type) ? type : "info"}`;
    const heading = document.createElement("strong");
    heading.textContent = title || "";
    const text = document.createElement("p");
    text.textContent = body || "";
    flag.append(heading, text);
    for (const action of actions || []) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "link";
      button.textContent = action.actionText;
      button.addEventListener("click", () => action.executeAction());
      flag.append(button);
    }
    const shut = () => {
      if (flag.isConnected) {
        flag.remove();
        onClose?.();
      }
    };
    const closer = document.createElement("button");
    closer.type = "button";
    closer.className = "flag-close";
    closer.setAttribute("aria-label", "Close message");
    closer.textContent = "×";
    closer.addEventListener("click", shut);
    flag.append(closer);
    document.getElementById("flags").append(flag);
    if (close === "auto") {
      window.setTimeout(shut, 6000);
    }
    return { close: shut };
  };
})();
