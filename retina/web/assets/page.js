// What moves on the page: views, zoom and heatmap of a photograph, and the closer look at two models.
// Gradio replaces the markup as it likes, so every event is heard at the document.
(() => {
  if (window.retinaListens) return; // Gradio runs what stands in the head twice.
  window.retinaListens = true;

  const viewerOf = (element) => element.closest(".viewer");
  const START = { view: "photograph", zoom: 1, x: 0, y: 0 };
  const state = new WeakMap(); // what the reader has set at a viewer
  const placed = (viewer) => state.get(viewer) ?? START;

  function place(viewer, { zoom, x, y }) {
    const stage = viewer.querySelector(".stage"), canvas = viewer.querySelector(".canvas");
    zoom = Math.min(8, Math.max(1, zoom));
    const roomX = Math.max(0, (canvas.offsetWidth * zoom - stage.clientWidth) / 2);
    const roomY = Math.max(0, (canvas.offsetHeight * zoom - stage.clientHeight) / 2);
    x = Math.min(roomX, Math.max(-roomX, x));
    y = Math.min(roomY, Math.max(-roomY, y));
    state.set(viewer, { ...placed(viewer), zoom, x, y });
    canvas.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
    viewer.classList.toggle("zoomed", zoom > 1);
  }

  function zoomBy(viewer, factor) {
    const { zoom, x, y } = placed(viewer);
    if (!factor) return place(viewer, { zoom: 1, x: 0, y: 0 });
    const next = Math.min(8, Math.max(1, zoom * factor));
    place(viewer, { zoom: next, x: (x * next) / zoom, y: (y * next) / zoom });
  }

  function moveBy(viewer, dx, dy) {
    const { zoom, x, y } = placed(viewer);
    place(viewer, { zoom, x: x + dx, y: y + dy });
  }

  function show(viewer, view) {
    viewer.dataset.view = view;
    state.set(viewer, { ...placed(viewer), view });
    for (const button of viewer.querySelectorAll("button[data-view]"))
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    zoomBy(viewer, 0);
  }

  // The second click of a double click asks for nothing new.
  document.addEventListener("click", (event) => {
    if (event.detail > 1 && event.target.closest?.("button.primary")) event.stopImmediatePropagation();
  }, true);

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".viewer button");
    if (!button) return;
    const viewer = viewerOf(button);
    if (button.dataset.view) show(viewer, button.dataset.view);
    else if (button.dataset.zoom) zoomBy(viewer, Number(button.dataset.zoom));
    else if (button.classList.contains("heat-switch")) {
      const on = viewer.dataset.heat !== "on";
      viewer.dataset.heat = on ? "on" : "off";
      button.setAttribute("aria-pressed", String(on));
    }
  });

  const set = (range) => viewerOf(range).style.setProperty(range.dataset.sets, range.value);

  document.addEventListener("input", (event) => {
    if (event.target.dataset?.sets) set(event.target);
  });

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (!box.matches?.("[data-closer]")) return;
    const models = box.closest(".models");
    const picked = [...models.querySelectorAll("[data-closer]:checked")];
    if (picked.length > 2) picked.find((each) => each !== box).checked = false;
    const now = [...models.querySelectorAll("[data-closer]:checked")];
    models.classList.toggle("closer-look", now.length === 2);
    for (const card of models.querySelectorAll(".model-card"))
      card.classList.toggle("picked", card.querySelector("[data-closer]").checked);
  });

  const KEYS = {
    "+": (v) => zoomBy(v, 1.5), "=": (v) => zoomBy(v, 1.5), "-": (v) => zoomBy(v, 1 / 1.5), "0": (v) => zoomBy(v, 0),
    ArrowLeft: (v) => moveBy(v, 40, 0), ArrowRight: (v) => moveBy(v, -40, 0),
    ArrowUp: (v) => moveBy(v, 0, 40), ArrowDown: (v) => moveBy(v, 0, -40),
  };

  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.(".stage") || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = KEYS[event.key];
    if (!act) return;
    act(viewerOf(event.target));
    event.preventDefault();
  });

  document.addEventListener("wheel", (event) => {
    const stage = event.target.closest?.(".stage");
    if (!stage || !event.ctrlKey) return; // Without Ctrl the wheel scrolls the page, as ever.
    event.preventDefault();
    zoomBy(viewerOf(stage), event.deltaY < 0 ? 1.2 : 1 / 1.2);
  }, { passive: false });

  let dragged = null;
  document.addEventListener("pointerdown", (event) => {
    const stage = event.target.closest?.(".viewer.zoomed .stage");
    if (!stage) return;
    dragged = { viewer: viewerOf(stage), x: event.clientX, y: event.clientY };
    event.preventDefault();
    stage.focus({ preventScroll: true });
  });
  document.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    moveBy(dragged.viewer, event.clientX - dragged.x, event.clientY - dragged.y);
    dragged = { viewer: dragged.viewer, x: event.clientX, y: event.clientY };
  });
  for (const end of ["pointerup", "pointercancel"])
    document.addEventListener(end, () => { dragged = null; });

  // Gradio writes new markup over the old, element by element, which undoes what the reader had set.
  function settle(viewer) {
    const source = viewer.querySelector("img.photograph").getAttribute("src");
    if (state.get(viewer)?.source !== source) state.set(viewer, { ...START, source });
    const { view, zoom, x, y } = placed(viewer);
    const offered = viewer.querySelector(`button[data-view="${view}"]:enabled`) ? view : "photograph";
    if (viewer.dataset.view !== offered) show(viewer, offered);
    if (viewer.classList.contains("zoomed") !== zoom > 1) place(viewer, { zoom, x, y });
    for (const range of viewer.querySelectorAll("[data-sets]"))
      if (viewer.style.getPropertyValue(range.dataset.sets) !== range.value) set(range);
  }

  // An answer is said, in short, to those who do not see it arrive.
  const SAID = {
    "#assessment": ".patient, .assessment:only-child :is(.grade, .referral strong)",
    "#agreement": ".agreement p:first-child",
  };
  const heard = {};

  function say(area, parts) {
    const words = [...document.querySelectorAll(`${area} :is(${parts})`)].map((each) => each.textContent).join(". ");
    if (words !== heard[area] && (heard[area] = words)) document.querySelector("#said").textContent = words;
  }

  // Gradio calls an example "Thumbnail 1 of 5", and a button "common.upload".
  function name(element, words) {
    if (element.ariaLabel !== words) element.ariaLabel = element.title = words;
  }

  new MutationObserver(() => {
    document.querySelectorAll(".viewer").forEach(settle);
    for (const [area, parts] of Object.entries(SAID)) say(area, parts);
    for (const example of document.querySelectorAll(".examples .thumbnail-item"))
      name(example, example.querySelector("img").alt);
    for (const button of document.querySelectorAll("[aria-label='common.upload']"))
      name(button, document.querySelector("#said").dataset.upload);
  }).observe(document, {
    childList: true, characterData: true, subtree: true, attributeFilter: ["class", "style", "src", "data-view", "aria-label"],
  });
})();
