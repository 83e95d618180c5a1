for (const box of document.querySelectorAll(".search")) {
  const input = box.querySelector("input"), output = box.querySelector("output");
  const plain = (text) => text.normalize("NFC").toLowerCase();
  let rows = null;
  input.addEventListener("input", () => {
    rows ??= Array.from(box.nextElementSibling.querySelectorAll("tbody tr"),
      (row) => [row, plain(Array.from(row.cells, (cell) => cell.textContent).join("\n"))]);
    const words = plain(input.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    output.textContent = words.length ? box.dataset.found.replace("{shown}", shown).replace("{all}", rows.length) : "";
  });
  box.hidden = false;
}
