// What moves on the page: views, zoom and heatmap of a photograph, and the closer look at two models.
// Gradio replaces the markup as it likes, so every event is heard at the document.
(() => {
  if (window.retinaListens) return; // Gradio runs what stands in the head twice.
  window.retinaListens = true;

  const viewerOf = (element) => element.closest(".viewer");
  const state = new WeakMap();

  function place(viewer, { zoom, x, y }) {
    const stage = viewer.querySelector(".stage"), canvas = viewer.querySelector(".canvas");
    zoom = Math.min(8, Math.max(1, zoom));
    const roomX = Math.max(0, (canvas.offsetWidth * zoom - stage.clientWidth) / 2);
    const roomY = Math.max(0, (canvas.offsetHeight * zoom - stage.clientHeight) / 2);
    x = Math.min(roomX, Math.max(-roomX, x));
    y = Math.min(roomY, Math.max(-roomY, y));
    state.set(viewer, { zoom, x, y });
    canvas.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
    viewer.classList.toggle("zoomed", zoom > 1);
  }

  const placed = (viewer) => state.get(viewer) ?? { zoom: 1, x: 0, y: 0 };

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
    for (const button of viewer.querySelectorAll("button[data-view]"))
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    zoomBy(viewer, 0);
  }

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

  document.addEventListener("input", (event) => {
    const range = event.target;
    if (range.dataset?.sets) viewerOf(range).style.setProperty(range.dataset.sets, range.value);
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
})();
