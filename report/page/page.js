"use strict";
// Hovering (or tapping) a mark shows its title in a tooltip of our own: the
// browser's appears late and not at all on a phone.
(() => {
  const tip = document.getElementById("tip");
  const show = (mark, x, y) => {
    const title = mark.querySelector("title") || mark.savedTitle;
    if (!title) return;
    if (title.parentNode) { mark.savedTitle = title; title.remove(); mark.setAttribute("aria-label", title.textContent); }
    tip.textContent = title.textContent;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 12, innerWidth - box.width - 4)) + "px";
    tip.style.top = Math.max(4, y + 14 + box.height > innerHeight ? y - box.height - 8 : y + 14) + "px";
  };
  document.addEventListener("pointerover", e => {
    const mark = e.target.closest && e.target.closest(".mark, .band");
    if (mark) show(mark, e.clientX, e.clientY); else tip.hidden = true;
  });
  document.addEventListener("scroll", () => { tip.hidden = true; }, true);

  const sort = th => {
    const table = th.closest("table"), body = table.tBodies[0], i = th.cellIndex;
    const down = th.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th").forEach(h => h.removeAttribute("aria-sort"));
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    const num = th.classList.contains("num");
    const key = row => num ? Number(row.cells[i].dataset.v) : row.cells[i].textContent;
    const order = (a, b) => num ? key(a) - key(b) : key(a).localeCompare(key(b), undefined, {numeric: true});
    [...body.rows].sort((a, b) => down ? order(b, a) : order(a, b)).forEach(r => body.append(r));
  };
  document.querySelectorAll("table.sortable th button").forEach(b => b.addEventListener("click", () => sort(b.closest("th"))));
})();
