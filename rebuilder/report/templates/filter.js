(function () {
  "use strict";
  // Filter fields are hidden in the markup: without this script they would do nothing.
  document.querySelectorAll("[data-filter]").forEach(function (box) {
    var field = box.querySelector("input");
    var status = box.querySelector("[role=status]");
    var table = document.getElementById(box.getAttribute("data-filter"));
    var rows = Array.prototype.slice.call(table.tBodies[0].rows);
    var texts = rows.map(function (row) { return row.textContent.toLowerCase(); });
    var fold = table.closest("details");
    box.hidden = false;
    function apply() {
      var wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      var shown = 0;
      rows.forEach(function (row, at) {
        var hit = wanted.every(function (word) { return texts[at].indexOf(word) !== -1; });
        row.hidden = !hit;
        shown += hit ? 1 : 0;
      });
      status.textContent = wanted.length ? shown + " of " + rows.length + " shown" : "";
      if (wanted.length && fold) { fold.open = true; }
    }
    field.addEventListener("input", apply);
    apply();
  });
  // A tree: a row is found by its own words and those of every box around it.
  document.querySelectorAll("[data-find]").forEach(function (box) {
    var field = box.querySelector("input");
    var status = box.querySelector("[role=status]");
    var tree = document.getElementById(box.getAttribute("data-find"));
    var none = tree.querySelector(".none");
    var boxes = Array.prototype.slice.call(tree.querySelectorAll(".box"));
    var rows = [];
    var around = new Map();
    boxes.forEach(function (one) {
      var words = one.querySelector("summary").textContent;
      var both = one.querySelector(":scope > .both");
      var above = around.get(one.parentElement.closest(".box")) || "";
      around.set(one, above + " " + words.toLowerCase() + " " + (both ? both.textContent.toLowerCase() : ""));
      one.querySelectorAll(":scope > ol > li").forEach(function (row) {
        rows.push({ element: row, box: one, text: row.textContent.toLowerCase() });
      });
    });
    var opened = new Map(boxes.map(function (one) { return [one, one.open]; }));
    box.hidden = false;
    function apply() {
      var wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      var live = new Set();
      var shown = 0;
      rows.forEach(function (row) {
        var text = around.get(row.box);
        var hit = wanted.every(function (word) { return row.text.indexOf(word) !== -1 || text.indexOf(word) !== -1; });
        row.element.hidden = !hit;
        shown += hit ? 1 : 0;
        for (var one = hit ? row.box : null; one && !live.has(one); one = one.parentElement.closest(".box")) {
          live.add(one);
        }
      });
      boxes.forEach(function (one) {
        one.hidden = wanted.length > 0 && !live.has(one);
        one.open = wanted.length && live.has(one) && shown <= 500 ? true : opened.get(one);
      });
      none.hidden = shown > 0 || !wanted.length;
      status.textContent = wanted.length ? shown + " of " + rows.length + " listed here shown" : "";
    }
    field.addEventListener("input", apply);
  });
})();
