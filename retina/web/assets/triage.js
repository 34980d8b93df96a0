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

// A folder, chosen or dropped, is uploaded as its files, which are called by their paths in it. Of
// what cannot be a photograph only the name is sent, so that the worklist can say what was left out.
(() => {
  if (window.retinaTakesFolders) return;
  window.retinaTakesFolders = true;

  const UPLOAD = "#triage-upload";
  const begin = async (file) => new TextDecoder("latin1").decode(await file.slice(128, 132).arrayBuffer());

  async function renamed(path, file) {
    const endings = document.querySelector(".choose-folder").dataset.endings.split(" ");
    const hidden = path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");
    const fits = endings.some((ending) => path.toLowerCase().endsWith(ending));
    const sent = !hidden && (fits || (await begin(file)) === "DICM");
    return new File(sent ? [file] : [], path, { type: file.type });
  }

  async function take(files) {
    const carrier = new DataTransfer();
    for (const [path, file] of files) carrier.items.add(await renamed(path, file));
    const input = document.querySelector(`${UPLOAD} input[type=file]`);
    input.files = carrier.files;
    input.dispatchEvent(new Event("change"));
  }

  async function* filesIn(entry) {
    if (entry.isFile) yield [entry.fullPath.slice(1), await new Promise((...ends) => entry.file(...ends))];
    if (!entry.isDirectory) return;
    const reader = entry.createReader();
    for (;;) { // It gives a hundred at a time.
      const entries = await new Promise((...ends) => reader.readEntries(...ends));
      if (!entries.length) return;
      for (const each of entries) yield* filesIn(each);
    }
  }

  document.addEventListener("drop", async (event) => {
    if (!event.target.closest?.(UPLOAD)) return;
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) return; // Gradio takes files by itself.
    event.preventDefault();
    event.stopPropagation();
    const files = [];
    for (const entry of entries) for await (const file of filesIn(entry)) files.push(file);
    take(files);
  }, true);

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.(".choose-folder")) return;
    const chooser = Object.assign(document.createElement("input"), { type: "file", webkitdirectory: true });
    chooser.addEventListener("change", () => take([...chooser.files].map((file) => [file.webkitRelativePath, file])));
    chooser.click();
  });
})();
