// The product's side of the Connect bridge: the modules Confluence adds to connect-host.js, and the frames.
"use strict";

(() => {
  const frameHolder = document.getElementById("app-frame");
  const page = JSON.parse(frameHolder.dataset.embed);
  const host = window.connectHost;
  if (!host) {
    frameHolder.textContent = "The Connect host script is not installed: run npm ci in the folder ui.";
    return;
  }

  const NO_CHECK = { "X-Atlassian-Token": "no-check" };
  const RENEW_BEFORE_MS = 60000;
  const SANDBOX = [
    "allow-downloads",
    "allow-forms",
    "allow-modals",
    "allow-popups",
    "allow-popups-to-escape-sandbox",
    "allow-scripts",
    "allow-same-origin",
    "allow-top-navigation-by-user-activation",
    "allow-storage-access-by-user-activation",
  ].join(" ");

  const promised = (method) => Object.assign(method, { returnsPromise: true });
  const settingsOf = (callback) => callback._context.extension.options.settings || page;

  // --- context ---------------------------------------------------------------------------------------------

  let cached = null;

  const expiresAt = (token) => {
    const claims = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(claims)).exp * 1000;
  };

  const contextToken = async () => {
    if (cached === null || expiresAt(cached) - Date.now() < RENEW_BEFORE_MS) {
      const answer = await fetch("/wiki/host/context-token", { method: "POST", headers: NO_CHECK });
      if (!answer.ok) {
        throw new Error(`no context token: ${answer.status}`);
      }
      cached = (await answer.json()).token;
    }
    return cached;
  };

  host.defineModule("context", {
    getToken: promised(() => contextToken()),
    getContext: promised((callback) => Promise.resolve(settingsOf(callback).context)),
  });

  // --- user ------------------------------------------------------------------------------------------------

  host.defineModule("user", {
    getCurrentUser: promised(() => Promise.resolve({ atlassianAccountId: page.accountId })),
    getTimeZone: promised(() => Promise.resolve("Europe/Berlin")),
    getLocale: promised(() => Promise.resolve("en_GB")),
  });

  // --- request ---------------------------------------------------------------------------------------------

  const isRelative = (url) => typeof url === "string" && !/^([a-z][a-z0-9+.-]*:|\/\/|\\)/iu.test(url.trim());

  const request = async (given, more) => {
    const options = typeof given === "string" ? { ...(more || {}), url: given } : given || {};
    if (!isRelative(options.url)) {
      throw { xhr: { status: 0, statusText: "refused", responseText: "" }, err: "Only relative addresses are allowed" };
    }
    const method = (options.type || options.method || "GET").toUpperCase();
    const address = new URL(`/wiki${options.url.startsWith("/") ? "" : "/"}${options.url}`, location.origin);
    if (address.origin !== location.origin || !address.pathname.startsWith("/wiki/")) {
      throw { xhr: { status: 0, statusText: "refused", responseText: "" }, err: "The address leaves the product" };
    }
    const headers = { ...(options.headers || {}), ...NO_CHECK, "AP-Client-Key": page.appKey };
    let body;
    if (method === "GET" && options.data && typeof options.data === "object") {
      for (const [name, value] of Object.entries(options.data)) {
        address.searchParams.append(name, value);
      }
    } else if (method !== "GET" && options.data !== undefined && options.data !== null) {
      body = typeof options.data === "string" ? options.data : new URLSearchParams(options.data).toString();
      headers["Content-Type"] = options.contentType || "application/x-www-form-urlencoded";
    }
    let answer;
    try {
      answer = await fetch(address, { method, headers, body, cache: "no-store", redirect: "error" });
    } catch (error) {
      throw { xhr: { status: 0, statusText: "error", responseText: "" }, err: String(error) };
    }
    const text = await answer.text();
    const xhr = {
      status: answer.status,
      statusText: answer.statusText,
      responseText: text,
      headers: Object.fromEntries(answer.headers),
    };
    if (!answer.ok) {
      throw { xhr, err: `${answer.status}` };
    }
    return { body: text, xhr };
  };

  // A module without a name becomes global: AP.request. The last argument is always the bridge's callback.
  host.defineModule({
    request: promised((...given) => {
      const options = given.slice(0, -1);
      return request(options[0], options[1]);
    }),
  });

  // --- navigator, history, cookie ----------------------------------------------------------------------------

  const query = (values) => {
    const search = new URLSearchParams(values).toString();
    return search ? `?${search}` : "";
  };

  const moduleQuery = ({ customData, context }) => {
    const values = {};
    for (const [name, value] of Object.entries(customData || {})) {
      values[`ac.${name}`] = value;
    }
    for (const [name, value] of Object.entries(context || {})) {
      if (value !== null && typeof value === "object") {
        for (const [inner, one] of Object.entries(value)) {
          values[`${name}.${inner}`] = one;
        }
      } else {
        values[name] = value;
      }
    }
    const here = page.context.confluence.space;
    if (here && !values["space.key"] && !values["space.id"] && !values["content.id"]) {
      Object.assign(values, { "space.id": here.id, "space.key": here.key });
    }
    return query(values);
  };

  const TARGETS = {
    contentview: ({ contentId }) => contentId && `/wiki/pages/viewpage.action${query({ pageId: contentId })}`,
    contentedit: ({ contentId }) => contentId && `/wiki/pages/viewpage.action${query({ pageId: contentId })}`,
    spaceview: ({ spaceKey }) => spaceKey && `/wiki/spaces/${encodeURIComponent(spaceKey)}`,
    spacetools: ({ spaceKey }) => spaceKey && `/wiki/spaces/${encodeURIComponent(spaceKey)}/permissions`,
    dashboard: () => "/",
    addonmodule: (given) =>
      given.moduleKey &&
      `/wiki/plugins/servlet/ac/${encodeURIComponent(given.addonKey || page.appKey)}/` +
        `${encodeURIComponent(given.moduleKey)}${moduleQuery(given)}`,
  };

  host.defineModule("navigator", {
    go: promised(async (target, context) => {
      const address = TARGETS[String(target).toLowerCase()]?.(context || {});
      if (!address) {
        throw new Error(`cannot go to ${target}`);
      }
      location.assign(address);
      return null;
    }),
    getLocation: promised(() => Promise.resolve(page.location)),
    reload: promised(async () => {
      location.reload();
      return null;
    }),
  });

  const STATE_MARK = "#!";
  const currentState = () =>
    location.hash.startsWith(STATE_MARK) ? decodeURIComponent(location.hash.slice(STATE_MARK.length)) : "";
  const stateAddress = (state) => `${location.pathname}${location.search}${STATE_MARK}${encodeURIComponent(state)}`;
  let lastAddress = location.href;
  let listeners = [];

  host.defineModule("history", {
    pushState: promised(async (state) => {
      history.pushState(null, "", stateAddress(String(state)));
      lastAddress = location.href;
      return null;
    }),
    replaceState: promised(async (state) => {
      history.replaceState(null, "", stateAddress(String(state)));
      lastAddress = location.href;
      return null;
    }),
    getState: promised(() => Promise.resolve(currentState())),
    // The bridge answers a callback once, so a listener hears one change and registers again for the next.
    popState(callback) {
      listeners.push(callback);
    },
    go: promised(async (delta) => {
      history.go(Number(delta));
      return null;
    }),
    back: promised(async () => {
      history.back();
      return null;
    }),
    forward: promised(async () => {
      history.forward();
      return null;
    }),
  });

  window.addEventListener("popstate", () => {
    const change = { state: currentState(), newURL: location.href, oldURL: lastAddress };
    const heard = listeners;
    lastAddress = location.href;
    listeners = [];
    for (const callback of heard) {
      callback(change);
    }
    host.broadcastEvent("history.popstate", { addon_key: page.appKey }, change);
  });

  const cookieName = (name) => encodeURIComponent(`${page.appKey}$$${name}`);

  host.defineModule("cookie", {
    save: promised(async (name, value, days) => {
      const age = days ? `; max-age=${Math.round(Number(days) * 86400)}` : "";
      document.cookie = `${cookieName(name)}=${encodeURIComponent(value)}; path=/wiki; SameSite=Lax${age}`;
      return null;
    }),
    read: promised(async (name) => {
      const start = `${cookieName(name)}=`;
      const found = document.cookie.split("; ").find((one) => one.startsWith(start));
      return found ? decodeURIComponent(found.slice(start.length)) : null;
    }),
    erase: promised(async (name) => {
      document.cookie = `${cookieName(name)}=; path=/wiki; max-age=0`;
      return null;
    }),
  });

  // --- frames ----------------------------------------------------------------------------------------------

  const makeFrame = (settings, options) => {
    const created = host.createExtension({
      addon_key: settings.appKey,
      key: settings.moduleKey,
      url: settings.url,
      options: {
        hostOrigin: location.origin,
        autoresize: !options.isDialog,
        isFullPage: !options.isDialog,
        contextPath: "/wiki",
        moduleType: settings.moduleType,
        structuredContext: settings.context,
        productContext: settings.variables,
        width: "100%",
        height: options.isDialog ? "100%" : "320px",
        sandbox: SANDBOX,
        settings,
        ...options,
      },
    });
    const frame = document.createElement("iframe");
    for (const [name, value] of Object.entries(created.iframeAttributes)) {
      if (!["width", "height"].includes(name)) {
        frame.setAttribute(name, value);
      }
    }
    frame.setAttribute("referrerpolicy", "no-referrer");
    frame.title = settings.title;
    frame.className = "connect-frame";
    return { frame, extension: created.extension };
  };

  const frameOf = (context) => document.getElementById(context.extension_id || context.extension?.id);

  host.registerProvider("addon", {
    resize(width, height, context) {
      const frame = frameOf(context);
      if (frame && !frame.closest("dialog")) {
        frame.style.height = /%$/u.test(String(height)) ? "" : `${parseInt(height, 10)}px`;
      }
    },
    sizeToParent(_hideFooter, context) {
      frameOf(context)?.classList.add("fills");
    },
    registerUnmountCallback() {},
  });

  // --- flags and dialogs, which the product draws ----------------------------------------------------------

  const module = (name, provider) => ({
    getModuleRegistrationName: () => name,
    isEnabled: () => true,
    getProvider: () => provider,
  });
  const adaptor = host.getFrameworkAdaptor();

  adaptor.registerModule(
    module("flag", {
      create: (options) =>
        window.showFlag({ ...options, onClose: () => options.onClose && options.onClose(options.id) }),
      isSupported: () => true,
    }),
  );

  let open = null;

  const dialogSize = (options) => {
    const widths = { small: "400px", medium: "600px", large: "800px", xlarge: "968px", fullscreen: "100vw" };
    return { width: widths[options.size] || options.width || "600px", height: options.height || "480px" };
  };

  const closeDialog = () => {
    const closing = open;
    open = null;
    closing?.element.close();
    closing?.element.remove();
    if (closing) {
      host.destroy(closing.extension.id);
    }
  };

  const addButton = (bar, action) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = action.type === "primary" || action.identifier === "submit" ? "primary" : "";
    button.textContent = action.text;
    button.dataset.identifier = action.identifier;
    button.disabled = Boolean(action.disabled) && action.identifier !== "submit";
    button.hidden = Boolean(action.hidden);
    button.addEventListener("click", () => {
      action.onClick?.();
      if (action.identifier === "cancel") {
        closeDialog();
      }
    });
    bar.append(button);
  };

  const openDialog = async (options, extension) => {
    const answer = await fetch(
      `/wiki/host/module-frame${query({ ...page.variables, moduleKey: extension.key })}`,
      { method: "POST", headers: NO_CHECK },
    );
    if (!answer.ok) {
      throw new Error(`no module ${extension.key}`);
    }
    const { frame, extension: made } = makeFrame(await answer.json(), {
      isDialog: true,
      dialogId: options.id,
      callbackExtensionId: extension.callback_extension_id,
      customData: extension.options.customData,
    });
    const element = document.createElement("dialog");
    element.className = "app-dialog";
    element.setAttribute("aria-label", options.header || frame.title);
    Object.assign(element.style, dialogSize(options));
    const bar = document.createElement("div");
    bar.className = "dialog-bar";
    if (options.chrome) {
      const heading = document.createElement("h2");
      heading.textContent = options.header || frame.title;
      element.append(heading, frame, bar);
      for (const action of options.actions || []) {
        addButton(bar, action);
      }
    } else {
      element.append(frame);
    }
    element.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (options.closeOnEscape !== false) {
        closeDialog();
      }
    });
    document.body.append(element);
    open = { element, bar, extension: made };
    element.showModal();
  };

  const button = (identifier) => open?.bar.querySelector(`[data-identifier="${CSS.escape(identifier)}"]`);

  adaptor.registerModule(
    module("dialog", {
      create: (options, extension) => {
        openDialog(options, extension).catch((error) =>
          window.showFlag({ title: "The dialog could not be opened", body: error.message, type: "error" }),
        );
      },
      close: closeDialog,
      isActiveDialog: (appKey) => open !== null && open.extension.addon_key === appKey,
      setButtonDisabled: (identifier, disabled) => {
        if (button(identifier)) {
          button(identifier).disabled = disabled;
        }
      },
      isButtonDisabled: (identifier) => Boolean(button(identifier)?.disabled),
      toggleButton: (identifier) => {
        if (button(identifier)) {
          button(identifier).disabled = !button(identifier).disabled;
        }
      },
      setButtonHidden: (identifier, hidden) => {
        if (button(identifier)) {
          button(identifier).hidden = hidden;
        }
      },
      isButtonHidden: (identifier) => Boolean(button(identifier)?.hidden),
      createButton: (action) => open && addButton(open.bar, action),
    }),
  );

  const { frame } = makeFrame(page, { isDialog: false });
  frame.addEventListener("load", () => frameHolder.classList.add("loaded"));
  frameHolder.replaceChildren(frame);
})();
