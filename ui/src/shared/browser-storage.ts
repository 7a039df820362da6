/** The browser's local storage, or a substitute that lives as long as the page. */

/** Browsers that block third-party storage throw on the first touch of `localStorage`. */
export function browserStorage(page: Window): Storage {
  try {
    const probe = 'cq:probe';
    page.localStorage.setItem(probe, '1');
    page.localStorage.removeItem(probe);
    return page.localStorage;
  } catch {
    return memoryStorage();
  }
}

export function memoryStorage(): Storage {
  const entries = new Map<string, string>();
  return {
    get length() {
      return entries.size;
    },
    clear: () => entries.clear(),
    getItem: (key) => entries.get(key) ?? null,
    key: (index) => [...entries.keys()][index] ?? null,
    removeItem: (key) => void entries.delete(key),
    setItem: (key, value) => void entries.set(key, value),
  };
}
