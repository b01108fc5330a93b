"use strict";
const about = document.getElementById("about");
const intro = about.innerHTML;
const heads = [...document.querySelectorAll("th")].map((head) => head.textContent);
let kept = null;

function show(id) {
  document.querySelectorAll(".lit").forEach((element) => element.classList.remove("lit"));
  const row = id && document.querySelector(`tr[data-node="${id}"]`);
  if (!row) {
    about.innerHTML = intro;
    return;
  }
  row.classList.add("lit");
  document.getElementById(id).classList.add("lit");
  for (const wire of document.querySelectorAll(".wire")) {
    wire.classList.toggle("lit", wire.dataset.from === id || wire.dataset.to === id);
  }
  const list = document.createElement("dl");
  [...row.cells].forEach((cell, place) => {
    if (cell.textContent === "") return;
    const term = document.createElement("dt");
    term.textContent = heads[place];
    const detail = document.createElement("dd");
    // Clones of what is on the page already: nothing is parsed anew.
    detail.append(...[...cell.childNodes].map((node) => node.cloneNode(true)));
    list.append(term, detail);
  });
  about.replaceChildren(list);
}

function listen(element, id) {
  element.addEventListener("mouseover", (event) => {
    event.stopPropagation();
    if (!kept) show(id);
  });
  element.addEventListener("mouseleave", () => {
    if (!kept) show(null);
  });
  element.addEventListener("click", (event) => {
    event.stopPropagation();
    kept = kept === id ? null : id;
    show(id);
  });
}

document.querySelectorAll("tr[data-node]").forEach((row) => {
  listen(row, row.dataset.node);
  listen(document.getElementById(row.dataset.node), row.dataset.node);
});
document.querySelector("main").addEventListener("click", () => {
  kept = null;
  show(null);
});
