// The worklist: filter by urgency and name, and sort. All rows are here already; nothing is asked.
(() => {
  if (window.retinaTriages) return; // Gradio runs what stands in the head twice.
  window.retinaTriages = true;

  const ORDERS = {
    order: (a, b) => a.order - b.order,
    name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
    grade: (a, b) => b.grade - a.grade || b.referable - a.referable,
    referable: (a, b) => b.referable - a.referable,
  };

  function filter(worklist) {
    const urgency = worklist.querySelector("[data-filter][aria-pressed=true]").dataset.filter;
    const find = worklist.querySelector("[data-find]").value.trim().toLowerCase();
    let shown = 0;
    for (const row of worklist.querySelectorAll("tbody tr")) {
      row.hidden = !((!urgency || row.dataset.urgency === urgency) && row.dataset.name.toLowerCase().includes(find));
      shown += !row.hidden;
    }
    worklist.querySelector(".none-shown").hidden = shown > 0;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".worklist [data-filter]");
    if (!button) return;
    for (const each of button.parentElement.children)
      each.setAttribute("aria-pressed", String(each === button));
    filter(button.closest(".worklist"));
  });

  document.addEventListener("input", (event) => {
    const worklist = event.target.closest?.(".worklist");
    if (!worklist) return;
    if (event.target.matches("[data-find]")) filter(worklist);
    if (event.target.matches("[data-sort]")) {
      const rows = [...worklist.querySelectorAll("tbody tr")];
      const order = ORDERS[event.target.value];
      rows.sort((a, b) => order(a.dataset, b.dataset) || a.dataset.order - b.dataset.order);
      worklist.querySelector("tbody").append(...rows);
      worklist.classList.toggle("sorted", event.target.value !== "order");
    }
  });
})();
