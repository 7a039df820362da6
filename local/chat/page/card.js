// Draws an Adaptive Card the way Teams does. Text becomes text nodes, never markup, whatever it holds.

const DEEPEST = 40;

const drawers = {
  TextBlock: drawTextBlock,
  RichTextBlock: drawRichTextBlock,
  FactSet: drawFactSet,
  ColumnSet: drawColumnSet,
  Container: (element, depth) => drawGroup("container", element, element.items, depth),
  ActionSet: (element) => drawActions(element.actions),
};

export function drawCard(card) {
  const drawn = make("article", "card");
  if (card.msteams?.width === "Full") drawn.classList.add("full");
  drawAll(drawn, card.body, 0);
  if (list(card.actions).length > 0) drawn.append(drawActions(card.actions));
  return drawn;
}

export function make(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function drawAll(parent, elements, depth) {
  for (const element of list(elements)) {
    const draw = Object.hasOwn(drawers, element?.type) ? drawers[element.type] : drawUnknown;
    if (element?.isVisible === false || depth > DEEPEST) continue;
    const drawn = draw(element, depth + 1);
    drawn.classList.add(`space-${oneOf(element.spacing, ["none", "small", "medium", "large", "extralarge", "padding"])}`);
    if (element.separator === true) drawn.classList.add("separated");
    parent.append(drawn);
  }
}

function drawUnknown(element) {
  return make("p", "unknown", `${element?.type ?? "An element"} is not drawn by this simulator.`);
}

function drawTextBlock(element) {
  const drawn = make("p", "text");
  style(drawn, element);
  drawn.classList.toggle("clipped", element.wrap !== true);
  if (element.style === "heading") {
    drawn.setAttribute("role", "heading");
    drawn.setAttribute("aria-level", "3");
  }
  drawMarkdown(drawn, String(element.text ?? ""));
  return drawn;
}

function drawRichTextBlock(element) {
  const drawn = make("p", "text");
  align(drawn, element);
  for (const inline of list(element.inlines)) {
    const run = typeof inline === "string" ? { text: inline } : inline;
    const address = webAddress(run?.selectAction?.url);
    const piece = address ? link(address, "") : make("span");
    piece.textContent = String(run?.text ?? "");
    style(piece, run ?? {});
    for (const look of ["italic", "strikethrough", "underline", "highlight"]) {
      piece.classList.toggle(look, run?.[look] === true);
    }
    drawn.append(piece);
  }
  return drawn;
}

function drawFactSet(element) {
  const drawn = make("dl", "facts");
  for (const fact of list(element.facts)) {
    const value = make("dd");
    drawMarkdown(value, String(fact?.value ?? ""));
    drawn.append(make("dt", "", String(fact?.title ?? "")), value);
  }
  return drawn;
}

function drawColumnSet(element, depth) {
  const drawn = make("div", "columns");
  for (const column of list(element.columns)) {
    const width = column?.width === "auto" ? "auto" : "stretch";
    drawn.append(drawGroup(`column ${width}`, column ?? {}, column?.items, depth));
  }
  return drawn;
}

function drawGroup(className, element, items, depth) {
  const drawn = make("div", className);
  drawn.classList.add(`style-${oneOf(element.style, ["emphasis", "good", "attention", "warning", "accent"])}`);
  drawAll(drawn, items, depth);
  return drawn;
}

function drawActions(actions) {
  const drawn = make("div", "actions");
  for (const action of list(actions)) {
    const address = action?.type === "Action.OpenUrl" ? webAddress(action.url) : null;
    const title = String(action?.title ?? "");
    const button = address ? link(address, title) : make("span", "", title);
    button.classList.add("action", `action-${oneOf(action?.style, ["positive", "destructive"])}`);
    if (!address) button.setAttribute("aria-disabled", "true");
    drawn.append(button);
  }
  return drawn;
}

// Teams reads bold, italic and links in a TextBlock and a Fact. Showing them shows what a person would see
// when text that should have been a TextRun went into a TextBlock.
function drawMarkdown(parent, text) {
  const pattern = /\*\*([^*\n]{1,500})\*\*|_([^_\n]{1,500})_|\[([^\]\n]{1,500})\]\(([^()\s]{1,2000})\)/g;
  let start = 0;
  for (const found of text.matchAll(pattern)) {
    const [whole, bold, italic, words, url] = found;
    const address = webAddress(url);
    if (words !== undefined && !address) continue;
    parent.append(text.slice(start, found.index));
    if (bold !== undefined) parent.append(make("strong", "", bold));
    else if (italic !== undefined) parent.append(make("em", "", italic));
    else parent.append(link(address, words));
    start = found.index + whole.length;
  }
  parent.append(text.slice(start));
}

function style(node, element) {
  align(node, element);
  node.classList.add(
    `size-${oneOf(element.size, ["small", "medium", "large", "extralarge"])}`,
    `weight-${oneOf(element.weight, ["lighter", "bolder"])}`,
    `color-${oneOf(element.color, ["accent", "good", "warning", "attention"])}`,
  );
  node.classList.toggle("subtle", element.isSubtle === true);
  node.classList.toggle("mono", oneOf(element.fontType, ["monospace"]) === "monospace");
}

function align(node, element) {
  node.classList.add(`align-${oneOf(element.horizontalAlignment, ["center", "right"])}`);
}

function link(address, text) {
  const anchor = make("a", "", text);
  anchor.href = address;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  return anchor;
}

function webAddress(url) {
  if (typeof url !== "string" || !URL.canParse(url)) return null;
  return ["http:", "https:"].includes(new URL(url).protocol) ? url : null;
}

function oneOf(value, known) {
  const lowered = String(value ?? "").toLowerCase();
  return known.includes(lowered) ? lowered : "default";
}

function list(value) {
  return Array.isArray(value) ? value : [];
}
