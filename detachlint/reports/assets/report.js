"use strict";
const boxes = [...document.querySelectorAll("nav input")];
const shown = () => new Set(boxes.filter((box) => box.checked).map((box) => box.value));
const filter = () => {
  const rules = shown();
  for (const file of document.querySelectorAll("section.file")) {
    const articles = [...file.querySelectorAll("article")];
    for (const article of articles) article.hidden = !rules.has(article.dataset.code);
    file.hidden = articles.every((article) => article.hidden);
  }
};
for (const box of boxes) {
  box.addEventListener("change", filter);
  // A double click on a rule shows that rule alone, another one all of them.
  box.parentElement.addEventListener("dblclick", (event) => {
    event.preventDefault();
    const alone = boxes.every((other) => other.checked === (other === box));
    for (const other of boxes) other.checked = alone || other === box;
    filter();
  });
}
if (boxes.length) filter();
